#pragma once
#include <zlib.h>

// inflateInit2 is a macro, which Swift does not see. 31: gzip, 32 KiB of history.
static inline int zennet_gunzip_init(z_stream *stream) { return inflateInit2(stream, 31); }
