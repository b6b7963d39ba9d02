/// A way in which a node wrongs a light client.
public enum Lie: CaseIterable, Sendable {
  // The handshake.
  case oldVersion, twoVersions, noHandshake, messagesBeforeHandshake
  // Bytes.
  case garbage, wrongMagic, badChecksum, oversizedLength
  // Headers.
  case headersWithoutWork, headersUnlinked, headersWithWrongBits, headersTooOld, headersFromFuture
  case headersFromNowhere, headersAnnouncedWithoutEnd, silentAboutHeaders, emptyHeaders
  // Filter headers.
  case checkpointsRandom, checkpointsTooFew, silentAboutCheckpoints
  case filterHeadersRandom, filterHeadersTooFew, filterHeadersBadPrevious, silentAboutFilterHeaders
  /// A false filter, and filter headers that fit it.
  case filterOmitsOutputs, filterHasExtras
  /// The same, but only what is spent is left out, which the block alone does not disprove.
  case filterOmitsSpends
  // Filters.
  case filterTampered, filterUndecodable, silentAboutFilters, filtersOutOfOrder
  // Blocks.
  case blockWithChangedOutput, blockWithRepeatedTransaction, blockWithChangedWitness
  case blockOfAnotherHash, blocksNotFound, silentAboutBlocks
  // Everything else.
  case inventoryFlood, pingFlood, unaskedTransactions, unaskedBlocks, addressFlood, unknownFlood,
    addressFloodV2
  case silentFromTheStart, getDataFlood, extremeFeeFilter, closesAtOnce
}
