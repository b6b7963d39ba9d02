// A digest of what Swift's Unicode tables say of every scalar: scripts/checks/unicode prints it with
// the toolchain's own look-ups and with CHost's (unicode_lookup.c), and the two must agree.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

uint16_t _swift_stdlib_getNormData(uint32_t);
uint32_t _swift_stdlib_getDecompositionEntry(uint32_t);
uint32_t _swift_stdlib_getComposition(uint32_t, uint32_t);
uint8_t _swift_stdlib_getGeneralCategory(uint32_t);
uint8_t _swift_stdlib_getGraphemeBreakProperty(uint32_t);
uint64_t _swift_stdlib_getBinaryProperties(uint32_t);
bool _swift_stdlib_isExtendedPictographic(uint32_t);
uint16_t _swift_stdlib_getAge(uint32_t);
uint8_t _swift_stdlib_getScript(uint32_t);

static uint64_t digest = 14695981039346656037u;  // FNV-1a

static void mix(uint64_t value) {
  for (int byte = 0; byte < 8; byte++) {
    digest ^= value >> (8 * byte) & 0xff;
    digest *= 1099511628211u;
  }
}

int main(void) {
  for (uint32_t scalar = 0; scalar < 0x110000; scalar++) {
    mix(_swift_stdlib_getNormData(scalar));
    mix(_swift_stdlib_getDecompositionEntry(scalar));
    mix(_swift_stdlib_getComposition(0x301, scalar));
    mix(_swift_stdlib_getComposition(scalar, 'A'));
    mix(_swift_stdlib_isExtendedPictographic(scalar));
    mix(_swift_stdlib_getGraphemeBreakProperty(scalar));
    mix(_swift_stdlib_getGeneralCategory(scalar));
    mix(_swift_stdlib_getBinaryProperties(scalar));
    mix(_swift_stdlib_getAge(scalar));
    mix(_swift_stdlib_getScript(scalar));
  }
  printf("%016llx\n", (unsigned long long)digest);
  return 0;
}
