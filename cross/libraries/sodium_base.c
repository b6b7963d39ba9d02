// Multiplies Ed25519's base point as libsodium multiplies every other point: in constant time, in
// three times the time (a machine signs a few times an hour), and without a table of 30 KB.
#include <stddef.h>

#include "private/ed25519_ref10.h"

void ge25519_scalarmult_base(ge25519_p3 *h, const unsigned char *a) {
  // The point with y = 4/5 and the wrong sign of x, as what is read is negated.
  static const unsigned char negated[32] = {
      0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
      0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0xe6};
  ge25519_p3 base;
  if (ge25519_frombytes_negate_vartime(&base, negated) != 0) __builtin_trap();
  ge25519_scalarmult(h, a, &base);
}
