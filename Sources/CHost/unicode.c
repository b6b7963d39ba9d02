// What Embedded Swift asks of Unicode's tables when it compares texts, in the static agent: nothing
// is ever composed or decomposed, so two texts are equal when their bytes are. The agent compares
// names, digits and its own words; the toolchain's tables for the rest take 33 KB, and those for i686
// are compiled with SSE2. A look-up that is none of these fails to link.
#if defined(ZENNET_STATIC)
#include <stdint.h>

uint16_t _swift_stdlib_getNormData(uint32_t scalar);
uint32_t _swift_stdlib_getDecompositionEntry(uint32_t scalar);
uint32_t _swift_stdlib_getComposition(uint32_t first, uint32_t second);

// Every scalar starts a sequence of its own, and is in both normal forms.
uint16_t _swift_stdlib_getNormData(uint32_t scalar) {
  (void)scalar;
  return 0;
}

// Not reached for such scalars.
uint32_t _swift_stdlib_getDecompositionEntry(uint32_t scalar) {
  (void)scalar;
  return UINT32_MAX;
}

uint32_t _swift_stdlib_getComposition(uint32_t first, uint32_t second) {
  (void)first, (void)second;
  return UINT32_MAX;
}

extern const uint8_t *const _swift_stdlib_nfd_decompositions;
const uint8_t *const _swift_stdlib_nfd_decompositions = 0;
#endif
