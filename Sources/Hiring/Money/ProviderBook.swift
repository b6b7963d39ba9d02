import Bytes
import Market

/// What is kept about providers across pools: settled leases, and debts from earlier leases.
/// Bounded; the least recently used entry is evicted.
public struct ProviderBook: Equatable, Sendable {
  public struct Entry: Equatable, Sendable {
    public var provider: Bytes32
    /// Leases with a receipt that both sides signed.
    public var settled: UInt32 = 0
    public var debts: [Debt] = []
  }

  public static let limit = 1000
  static let maxDebts = 8
  static let version: UInt8 = 1

  /// By last use, the oldest first.
  public private(set) var entries: [Entry] = []

  public init() {}

  private func place(_ provider: Bytes32) -> Int? {
    entries.lastIndex { $0.provider == provider }
  }

  /// Whether the provider has settled a lease with this publisher.
  public func isKnown(_ provider: Bytes32) -> Bool {
    place(provider).map { entries[$0].settled > 0 } ?? false
  }

  /// Whether the publisher owes the provider at least the debt that it claims.
  public func holds(_ debt: Debt, of provider: Bytes32) -> Bool {
    guard let place = place(provider) else { return false }
    return entries[place].debts.contains {
      $0.lease == debt.lease && debt.amountSat <= $0.amountSat
    }
  }

  private mutating func change(_ provider: Bytes32, _ body: (inout Entry) -> Void) {
    var entry = Entry(provider: provider)
    if let place = place(provider) { entry = entries.remove(at: place) }
    body(&entry)
    entries.append(entry)
    if entries.count > ProviderBook.limit { entries.removeFirst() }
  }

  mutating func settled(_ provider: Bytes32) {
    change(provider) { if $0.settled < UInt32.max { $0.settled += 1 } }
  }

  /// Records the unpaid amount of an ended lease.
  mutating func owes(_ debt: Debt, to provider: Bytes32) {
    change(provider) { entry in
      entry.debts.removeAll { $0.lease == debt.lease }
      entry.debts.append(debt)
      if entry.debts.count > ProviderBook.maxDebts { entry.debts.removeFirst() }
    }
  }

  /// Removes a debt that a later lease includes.
  mutating func carried(_ debt: Debt, of provider: Bytes32) {
    guard place(provider) != nil else { return }
    change(provider) { entry in entry.debts.removeAll { $0.lease == debt.lease } }
  }

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 64 * entries.count + 8)
    writer.u8(ProviderBook.version)
    writer.compactSize(entries.count)
    for entry in entries {
      writer.append(entry.provider)
      writer.u32le(entry.settled)
      writer.u8(UInt8(entry.debts.count))
      for debt in entry.debts {
        writer.append(debt.lease)
        writer.u64le(debt.amountSat)
      }
    }
    return writer.bytes
  }

  /// Returns nil for damaged bytes or an unknown version.
  public static func decode(_ bytes: [UInt8]) -> ProviderBook? {
    RecordReader.read(bytes, version: version) { reader in
      var book = ProviderBook()
      for _ in 0..<(try reader.compactSize(limit: UInt64(limit))) {
        var entry = Entry(provider: try reader.bytes32(), settled: try reader.u32le())
        for _ in 0..<(try reader.u8()) {
          entry.debts.append(
            Debt(lease: try reader.bytes32(), amountSat: try reader.u64le()))
        }
        book.entries.append(entry)
      }
      return book
    }
  }
}

/// The provider book; stores itself after each change.
final class Providers {
  private let context: HiringContext
  private(set) var book: ProviderBook

  init(_ context: HiringContext) {
    self.context = context
    book = ProviderBook()
  }

  func restored(_ book: ProviderBook) { self.book = book }

  func change(_ body: (inout ProviderBook) -> Void) {
    let before = book
    body(&book)
    if book != before { context.emit(.storeProviders(book.encode())) }
  }
}
