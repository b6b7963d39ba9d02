// Text put together piece by piece, cut at its capacity: stdio's formatting would be 10 KB of every agent.
#pragma once
#include <stdint.h>
#include <string.h>

struct text {
  char *bytes;
  uint32_t capacity, length;  // the capacity counts a terminating zero, the length does not
};

static inline void text_add_bytes(struct text *text, const char *bytes, uint64_t count) {
  uint64_t room = text->capacity - text->length - 1;
  if (count > room) count = room;
  memcpy(text->bytes + text->length, bytes, (size_t)count);
  text->length += (uint32_t)count;
  text->bytes[text->length] = 0;
}

static inline void text_add(struct text *text, const char *words) {
  text_add_bytes(text, words, strlen(words));
}

static inline void text_add_hex(struct text *text, uint32_t number) {
  char digits[8], *first = digits + sizeof digits;
  do *--first = "0123456789abcdef"[number % 16];
  while (number /= 16);
  text_add_bytes(text, first, (uint64_t)(digits + sizeof digits - first));
}

static inline void text_add_number(struct text *text, uint64_t number) {
  char digits[20], *first = digits + sizeof digits;
  do *--first = (char)('0' + number % 10);
  while (number /= 10);
  text_add_bytes(text, first, (uint64_t)(digits + sizeof digits - first));
}
