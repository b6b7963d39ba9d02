import Bitcoin

/// Whether the time locks of a transaction allow it in the next block (BIP65's lock time, BIP68's
/// relative locks, BIP113's clock).
enum Finality {
  private static let lockTimeThreshold: UInt32 = 500_000_000
  private static let disableFlag: UInt32 = 1 << 31
  private static let timeFlag: UInt32 = 1 << 22

  /// `spent` is in input order; a coin without height counts as made by the next block.
  static func check(
    _ transaction: Transaction, spent: [Coin], chain: Chain
  ) throws(TransactionRejection) {
    let nextHeight = chain.height + 1
    let medianTime = chain.medianTimePast(at: chain.height)
    if !isFinal(transaction, height: nextHeight, medianTime: medianTime) { throw .nonFinal }
    if transaction.version < 2 { return }
    for (index, input) in transaction.inputs.enumerated()
    where input.sequence & disableFlag == 0 {
      let amount = input.sequence & 0xffff
      let made = spent[index].height ?? nextHeight
      let isReached: Bool
      if input.sequence & timeFlag != 0 {
        let start = UInt64(chain.medianTimePast(at: made > 0 ? made - 1 : 0))
        isReached = start + UInt64(amount) << 9 <= UInt64(medianTime)
      } else {
        isReached = UInt64(made) + UInt64(amount) <= UInt64(nextHeight)
      }
      if !isReached { throw .relativeLockNotReached(input: index) }
    }
  }

  static func isFinal(_ transaction: Transaction, height: UInt32, medianTime: UInt32) -> Bool {
    if transaction.lockTime == 0 { return true }
    let now = transaction.lockTime < lockTimeThreshold ? height : medianTime
    if transaction.lockTime < now { return true }
    return transaction.inputs.allSatisfy { $0.sequence == 0xffff_ffff }
  }
}
