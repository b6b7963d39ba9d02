// What a program at rest need not keep resident: the pages of its own file that start-up used. The kernel
// has them in its cache, and a page that is asked for again is back in a microsecond.
#define _GNU_SOURCE
#include "chost.h"

#ifdef ZENNET_STATIC
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static int release(struct dl_phdr_info *info, size_t size, void *unused) {
  (void)size;
  (void)unused;
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  for (int index = 0; index < info->dlpi_phnum; index++) {
    const ElfW(Phdr) *part = &info->dlpi_phdr[index];
    // What can be written to may have been, and is not in the file.
    if (part->p_type != PT_LOAD || part->p_flags & PF_W) continue;
    uintptr_t start = info->dlpi_addr + part->p_vaddr;
    uintptr_t end = (start + part->p_filesz) & ~(page - 1);
    start = (start + page - 1) & ~(page - 1);
    if (start < end) madvise((void *)start, end - start, MADV_DONTNEED);
  }
  return 1;  // the first is the program itself
}

void host_release_program_pages(void) { dl_iterate_phdr(release, NULL); }
#else
// An ordinary program shares its libraries with others.
void host_release_program_pages(void) {}
#endif
