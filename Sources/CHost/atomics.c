// Thumb instructions of ARMv6 have no atomic access: Swift's reference counts call these, which are
// compiled as ARM instructions.
#if defined(ZENNET_STATIC) && defined(__arm__) && __ARM_ARCH == 6
#include <stdint.h>

// The names are the compiler's own, which C may not define.
uint32_t host_fetch_add(uint32_t *at, uint32_t by) __asm__("__sync_fetch_and_add_4");
uint32_t host_fetch_sub(uint32_t *at, uint32_t by) __asm__("__sync_fetch_and_sub_4");
uint32_t host_swap(uint32_t *at, uint32_t value) __asm__("__sync_lock_test_and_set_4");
uint32_t host_compare_swap(uint32_t *at, uint32_t expected, uint32_t value) __asm__(
    "__sync_val_compare_and_swap_4");

uint32_t host_fetch_add(uint32_t *at, uint32_t by) {
  return __atomic_fetch_add(at, by, __ATOMIC_SEQ_CST);
}

uint32_t host_fetch_sub(uint32_t *at, uint32_t by) {
  return __atomic_fetch_sub(at, by, __ATOMIC_SEQ_CST);
}

uint32_t host_swap(uint32_t *at, uint32_t value) {
  return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST);
}

uint32_t host_compare_swap(uint32_t *at, uint32_t expected, uint32_t value) {
  __atomic_compare_exchange_n(at, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  return expected;
}
#endif
