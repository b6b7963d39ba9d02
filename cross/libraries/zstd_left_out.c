// The agent packs with level 1 only, which searches with ZSTD_fast. Zstd reaches its other searches
// through tables, so the linker cannot know that nothing calls them: these names stand for them.
#include <stddef.h>

__attribute__((used)) static size_t never(void) { __builtin_trap(); }

// What is asked even when long-distance matching is off.
__attribute__((used)) static size_t none(void) { return 0; }

#define NEVER(name) extern size_t name(void) __attribute__((alias("never")));
#define NONE(name) extern size_t name(void) __attribute__((alias("none")));

#define EVERY_DICTIONARY(name) \
  NEVER(name) NEVER(name##_dictMatchState) NEVER(name##_extDict)
#define EVERY_ROW(name) \
  EVERY_DICTIONARY(name) NEVER(name##_dedicatedDictSearch) \
  NEVER(name##_row) NEVER(name##_dictMatchState_row) NEVER(name##_extDict_row) \
  NEVER(name##_dedicatedDictSearch_row)

NEVER(ZSTD_compressBlock_fast_dictMatchState)
EVERY_DICTIONARY(ZSTD_compressBlock_doubleFast)
EVERY_ROW(ZSTD_compressBlock_greedy)
EVERY_ROW(ZSTD_compressBlock_lazy)
EVERY_ROW(ZSTD_compressBlock_lazy2)
EVERY_DICTIONARY(ZSTD_compressBlock_btlazy2)
EVERY_DICTIONARY(ZSTD_compressBlock_btopt)
EVERY_DICTIONARY(ZSTD_compressBlock_btultra)
NEVER(ZSTD_compressBlock_btultra2)

NEVER(ZSTD_compressSuperBlock)
NEVER(ZSTD_dedicatedDictSearch_lazy_loadDictionary)
NEVER(ZSTD_fillDoubleHashTable)
NEVER(ZSTD_insertAndFindFirstIndex)
NEVER(ZSTD_row_update)
NEVER(ZSTD_updateTree)
NEVER(ZSTD_ldm_adjustParameters)
NEVER(ZSTD_ldm_blockCompress)
NEVER(ZSTD_ldm_fillHashTable)
NEVER(ZSTD_ldm_generateSequences)
NEVER(ZSTD_ldm_skipSequences)
NONE(ZSTD_ldm_getMaxNbSeq)
NONE(ZSTD_ldm_getTableSize)
NONE(ZSTD_ldm_skipRawSeqStoreBytes)
