import Market

/// Checks a statement before the publisher signs it.
enum StatementCheck {
  /// Throws `differs` or `unacceptable`, naming the first field that does not match.
  ///
  /// - Parameters:
  ///   - lines: the received lines.
  ///   - paid: the signed payments by channel. A statement's amounts may be lower; a receipt's must
  ///     be equal.
  static func check(
    _ statement: Statement, _ contract: Contract, lines: LineMark, paid: [Statement.Paid],
    isReceipt: Bool
  ) throws(MarketError) {
    try statement.check(against: contract)
    if statement.lines != lines.count { throw MarketError.differs(field: "number of lines") }
    if statement.chain != lines.chain { throw MarketError.differs(field: "chain of lines") }
    if statement.lastTask != lines.lastTask { throw MarketError.differs(field: "last task") }
    if !statement.usage.tasks.isAtLeast(lines.usage) {
      throw MarketError.unacceptable(field: "usage", problem: "below the sum of the lines")
    }
    for entry in statement.paid {
      let ours = paid.first { $0.channel == entry.channel }?.amountSat ?? 0
      if entry.amountSat > ours {
        throw MarketError.unacceptable(field: "paid amount", problem: "above what was paid")
      }
    }
    if !isReceipt { return }
    if !statement.isFinal { throw MarketError.unacceptable(field: "receipt", problem: "not final") }
    if statement.paid != paid { throw MarketError.differs(field: "paid amount") }
    if statement.owedSat > statement.paidSat {
      throw MarketError.unacceptable(field: "owed amount", problem: "above what was paid")
    }
  }
}
