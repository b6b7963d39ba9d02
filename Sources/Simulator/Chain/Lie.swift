/// A kind of misbehaviour towards a light client.
public enum Lie: CaseIterable, Sendable {
  // The handshake.
  case oldVersion, twoVersions, noHandshake, messagesBeforeHandshake
  // Bytes.
  case garbage, wrongMagic, badChecksum, oversizedLength
  // Headers.
  case headersWithoutWork, headersUnlinked, headersWithWrongBits, headersTooOld, headersFromFuture
  case headersFromNowhere, headersAnnouncedWithoutEnd, silentAboutHeaders, emptyHeaders
  /// A time one second too early for the median of the last eleven.
  case timeAtMedian
  /// About two hours ahead: clients with different clocks disagree about it.
  case timeAtFutureEdge
  /// Periods whose blocks have the earliest valid times, except the last, which has the latest:
  /// without BIP94 the difficulty falls with each period.
  case timeWarp
  /// A period that starts one second too early for BIP94.
  case timeWarpAtEdge
  /// A period that ends two hours ahead, and a next one that starts ten minutes before that.
  case periodEndsInFuture
  /// A new period with the old difficulty, or with one computed from one block too many.
  case retargetIgnored, retargetOffByOne
  // Filter headers.
  case checkpointsRandom, checkpointsTooFew, silentAboutCheckpoints
  case filterHeadersRandom, filterHeadersTooFew, filterHeadersBadPrevious, silentAboutFilterHeaders
  /// A false filter, and filter headers that match it.
  case filterOmitsOutputs, filterHasExtras
  /// The same, but only spent scripts are left out, which the block alone does not disprove.
  case filterOmitsSpends
  /// Treats the script that a witness seems to reveal as the spent one.
  case filterBelievesWitnesses
  // Filters.
  case filterTampered, filterUndecodable, silentAboutFilters, filtersOutOfOrder
  // Blocks.
  case blockWithChangedOutput, blockWithRepeatedTransaction, blockWithChangedWitness
  case blockOfAnotherHash, blocksNotFound, silentAboutBlocks
  // Transactions.
  /// Payments to the client's scripts, from nonexistent coins.
  case fakePayments
  /// A transaction other than the requested one.
  case transactionsOfOtherId
  /// Fetches announced transactions and forgets them, fetches them repeatedly, or never fetches
  /// them; sends received transactions back many times.
  case transactionsForgotten, transactionsFetchedOften, silentAboutTransactions
  case transactionsEchoed
  // Everything else.
  /// The start of a message of the greatest size, without its end.
  case hugeMessages
  case inventoryFlood, pingFlood, unaskedTransactions, unaskedBlocks, addressFlood, unknownFlood,
    addressFloodV2
  case silentFromTheStart, getDataFlood, extremeFeeFilter, closesAtOnce

  /// Lies that need whole chains.
  static let aboutTime: Set<Lie> = [
    .timeAtMedian, .timeAtFutureEdge, .timeWarp, .timeWarpAtEdge, .periodEndsInFuture,
    .retargetIgnored, .retargetOffByOne,
  ]
}
