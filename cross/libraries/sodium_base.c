// What libsodium does with tables and unrolled rounds, without: a machine signs a few times an hour.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "private/ed25519_ref10.h"

// Multiplies Ed25519's base point as libsodium multiplies every other point: in constant time, in
// three times the time, and without a table of 30 KB.
void ge25519_scalarmult_base(ge25519_p3 *h, const unsigned char *a) {
  // The point with y = 4/5 and the wrong sign of x, as what is read is negated.
  static const unsigned char negated[32] = {
      0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
      0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0xe6};
  ge25519_p3 base;
  if (ge25519_frombytes_negate_vartime(&base, negated) != 0) __builtin_trap();
  ge25519_scalarmult(h, a, &base);
}

// Numbers modulo the order of the base point, L = 2^252 + c, in digits of 16 bits, in constant time.
static const uint16_t order[16] = {
    0xd3ed, 0x5cf5, 0x631a, 0x5812, 0x9cd6, 0xa2f7, 0xf9de, 0x14de, 0, 0, 0, 0, 0, 0, 0, 0x1000};

static void read_digits(int64_t *x, const unsigned char *bytes, int count) {
  for (int i = 0; i < count; i++) x[i] = bytes[2 * i] | bytes[2 * i + 1] << 8;
}

// Adds `factor` times the first `count` digits of L to x, and brings all but the last in order.
static void add_order(int64_t *x, int64_t factor, int count) {
  int64_t carry = 0;
  for (int i = 0; i < count; i++) {
    x[i] += carry + factor * order[i];
    carry = x[i] >> 16;
    x[i] &= 0xffff;
  }
  x[count] += carry;
}

// The remainder of x, 32 digits that may have 37 bits each, as 32 bytes.
static void write_remainder(unsigned char *bytes, int64_t *x) {
  add_order(x, 0, 15);
  add_order(x + 15, 0, 16);
  // 2^256 is -16 c. What is carried beyond the 8 digits of c stays in the ninth: it is small.
  for (int i = 31; i >= 16; i--) add_order(x + i - 16, -16 * x[i], 8);
  add_order(x, 0, 15);
  // x is now between -2^140 and 2^252 plus that, once its multiples of 2^252 are gone; the second time
  // it is between -L and L; the third time L is added to what is negative.
  for (int round = 0; round < 3; round++) {
    int64_t factor = -(x[15] >> (round < 2 ? 12 : 63));
    add_order(x, factor, 15);
    x[15] += factor * order[15];
  }
  for (int i = 0; i < 16; i++) {
    bytes[2 * i] = x[i];
    bytes[2 * i + 1] = x[i] >> 8;
  }
}

void sc25519_reduce(unsigned char s[64]) {
  int64_t x[32];
  read_digits(x, s, 32);
  write_remainder(s, x);
}

void sc25519_muladd(
    unsigned char s[32], const unsigned char a[32], const unsigned char b[32],
    const unsigned char c[32]) {
  int64_t x[32] = {0}, left[16], right[16];
  read_digits(left, a, 16);
  read_digits(right, b, 16);
  read_digits(x, c, 16);
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 16; j++) x[i + j] += left[i] * right[j];
  write_remainder(s, x);
}
