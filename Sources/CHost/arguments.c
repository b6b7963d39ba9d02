// The command line, kept for Swift: Embedded Swift has no CommandLine.
#include "include/host_arguments.h"

#include <stddef.h>

static int saved_argc;
static char **saved_argv;

int32_t host_argc(void) { return saved_argc; }

const char *host_argv(int32_t index) {
  return index >= 0 && index < saved_argc ? saved_argv[index] : NULL;
}

#ifdef ZENNET_STATIC
// musl tells constructors nothing, so the static build enters here; the compiler is told to call
// Swift's own entry by this other name.
int zennet_swift_main(int argc, char **argv);

int main(int argc, char **argv) {
  saved_argc = argc;
  saved_argv = argv;
  return zennet_swift_main(argc, argv);
}
#else
// glibc hands constructors what main will get.
__attribute__((constructor)) static void save_arguments(int argc, char **argv) {
  saved_argc = argc;
  saved_argv = argv;
}
#endif
