// What libsecp256k1 calls when its caller breaks its contract. Its own would bring stdio's formatting.
#include <stdlib.h>

void secp256k1_default_illegal_callback_fn(const char *text, void *data) { abort(); }

void secp256k1_default_error_callback_fn(const char *text, void *data) { abort(); }
