// The two look-ups by which Swift's Unicode tables are read, for processors without SSE2: the
// toolchain's own for i686 (member UnicodeData.cpp.o of libswiftUnicodeDataTables.a) are compiled
// with SSE2 and would kill the agent on a Pentium II or III at the first string that is not ASCII.
// cross/build links these in its place. scripts/checks/unicode compares them with the
// toolchain's for every Unicode scalar.
#if defined(ZENNET_STATIC) && defined(__i386__) && !defined(__SSE2__)
#include <stdint.h>

// A set of scalars is stored in chunks of 272; empty chunks are left out.
enum { SCALARS_IN_CHUNK = 0x110000 / 64 / 64, WORDS_IN_CHUNK = 5 };

intptr_t _swift_stdlib_getMphIdx(
    uint32_t scalar, intptr_t level_count, const uint64_t *const *levels,
    const uint16_t *const *ranks, const uint16_t *sizes);
intptr_t _swift_stdlib_getScalarBitArrayIdx(
    uint32_t scalar, const uint64_t *bits, const uint16_t *ranks);

static unsigned ones(uint64_t word) {
  unsigned count = 0;
  for (; word != 0; word &= word - 1) count++;
  return count;
}

// How many of the bits below `bit` are set.
static unsigned ones_below(uint64_t word, unsigned bit) {
  return ones(word & (((uint64_t)1 << bit) - 1));
}

static uint32_t rotate(uint32_t word, int by) { return word << by | word >> (32 - by); }

// MurmurHash3 (32 bits) of two words.
static uint32_t hash(uint32_t first, uint32_t second, uint32_t seed) {
  uint32_t words[2] = {first, second};
  uint32_t state = seed;
  for (int i = 0; i < 2; i++) {
    state ^= rotate(words[i] * 0xcc9e2d51u, 15) * 0x1b873593u;
    state = rotate(state, 13) * 5 + 0xe6546b64u;
  }
  state ^= sizeof words;
  state = (state ^ state >> 16) * 0x85ebca6bu;
  state = (state ^ state >> 13) * 0xc2b2ae35u;
  return state ^ state >> 16;
}

// The place of a scalar by a minimal perfect hash: the first level that has its bit set counts the
// bits set before it, from a rank kept for every 512 bits.
intptr_t _swift_stdlib_getMphIdx(
    uint32_t scalar, intptr_t level_count, const uint64_t *const *levels,
    const uint16_t *const *ranks, const uint16_t *sizes) {
  for (intptr_t level = 0; level < level_count; level++) {
    uint32_t index = hash(scalar, sizes[level], (uint32_t)level) % sizes[level];
    const uint64_t *bits = levels[level];
    if ((bits[index / 64] >> (index % 64) & 1) == 0) continue;
    uint32_t rank = ranks[level][index / 512];
    for (uint32_t word = index / 512 * 8; word < index / 64; word++) rank += ones(bits[word]);
    return (uint16_t)(rank + ones_below(bits[index / 64], index % 64));
  }
  return 0;
}

// The place of a scalar in a set's data, or INTPTR_MAX if the set does not have it. `bits` holds a
// count of words, as many words that say which chunks exist, and then the chunks.
intptr_t _swift_stdlib_getScalarBitArrayIdx(
    uint32_t scalar, const uint64_t *bits, const uint16_t *ranks) {
  uint32_t chunk = scalar / SCALARS_IN_CHUNK;
  uint64_t directory_words = bits[0];
  if (chunk / 64 >= directory_words) return INTPTR_MAX;
  uint64_t directory = bits[1 + chunk / 64];
  if ((directory >> (chunk % 64) & 1) == 0) return INTPTR_MAX;
  uint32_t chunk_rank = (uint16_t)(ranks[chunk / 64] + ones_below(directory, chunk % 64));

  const uint64_t *words = bits + 1 + directory_words + chunk_rank * WORDS_IN_CHUNK;
  uint32_t bit = scalar % SCALARS_IN_CHUNK;
  uint64_t word = words[bit / 64];
  if ((word >> (bit % 64) & 1) == 0) return INTPTR_MAX;
  uint16_t rank = ranks[directory_words + chunk_rank * WORDS_IN_CHUNK + bit / 64];
  rank += ones_below(word, bit % 64);
  // The last word of a chunk has room for where the chunk's data begins.
  return (intptr_t)(words[WORDS_IN_CHUNK - 1] >> 16) + rank;
}
#else
typedef int host_unicode_lookup_is_the_toolchains_own;
#endif
