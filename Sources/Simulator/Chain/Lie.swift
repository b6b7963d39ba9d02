/// A way in which a node wrongs a light client.
public enum Lie: CaseIterable, Sendable {
  // The handshake.
  case oldVersion, twoVersions, noHandshake, messagesBeforeHandshake
  // Bytes.
  case garbage, wrongMagic, badChecksum, oversizedLength
  // Headers.
  case headersWithoutWork, headersUnlinked, headersWithWrongBits, headersTooOld, headersFromFuture
  case headersFromNowhere, headersAnnouncedWithoutEnd, silentAboutHeaders, emptyHeaders
  /// A time that the median of the eleven before does not let pass, by one second.
  case timeAtMedian
  /// About two hours ahead, where some see the future and some do not.
  case timeAtFutureEdge
  /// Periods whose blocks stand as early as can be and whose last one as late: without BIP94 the
  /// difficulty falls from period to period.
  case timeWarp
  /// A period that begins one second earlier than BIP94 lets it.
  case timeWarpAtEdge
  /// A period that ends two hours ahead of time, and the next that begins ten minutes before that.
  case periodEndsInFuture
  /// A new period with the old difficulty, or with one from a block too many.
  case retargetIgnored, retargetOffByOne
  // Filter headers.
  case checkpointsRandom, checkpointsTooFew, silentAboutCheckpoints
  case filterHeadersRandom, filterHeadersTooFew, filterHeadersBadPrevious, silentAboutFilterHeaders
  /// A false filter, and filter headers that fit it.
  case filterOmitsOutputs, filterHasExtras
  /// The same, but only what is spent is left out, which the block alone does not disprove.
  case filterOmitsSpends
  /// What a witness seems to show is taken for what is spent.
  case filterBelievesWitnesses
  // Filters.
  case filterTampered, filterUndecodable, silentAboutFilters, filtersOutOfOrder
  // Blocks.
  case blockWithChangedOutput, blockWithRepeatedTransaction, blockWithChangedWitness
  case blockOfAnotherHash, blocksNotFound, silentAboutBlocks
  // Transactions.
  /// Payments to what the client looks for, of coins that never were.
  case fakePayments
  /// Another transaction than was asked for.
  case transactionsOfOtherId
  /// What is announced is asked for and forgotten, asked for again and again, or never asked for;
  /// what is brought is brought back many times.
  case transactionsForgotten, transactionsFetchedOften, silentAboutTransactions
  case transactionsEchoed
  // Everything else.
  /// The beginning of a message that is as long as may be, and never its end.
  case hugeMessages
  case inventoryFlood, pingFlood, unaskedTransactions, unaskedBlocks, addressFlood, unknownFlood,
    addressFloodV2
  case silentFromTheStart, getDataFlood, extremeFeeFilter, closesAtOnce

  /// Lies that are told with whole chains.
  static let aboutTime: Set<Lie> = [
    .timeAtMedian, .timeAtFutureEdge, .timeWarp, .timeWarpAtEdge, .periodEndsInFuture,
    .retargetIgnored, .retargetOffByOne,
  ]
}
