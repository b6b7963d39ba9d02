import Bytes
import Market

/// What is remembered of providers beyond a pool: who finished a lease, and what this publisher owes of
/// earlier leases. Bounded: the entries that were not used for longest go first.
public struct ProviderBook: Equatable, Sendable {
  public struct Entry: Equatable, Sendable {
    public var provider: Bytes32
    /// Leases that both sides signed the receipt of.
    public var settled: UInt32 = 0
    public var debts: [Debt] = []
  }

  public static let limit = 1000
  static let maxDebts = 8
  static let version: UInt8 = 1

  /// In the order of their last use.
  public private(set) var entries: [Entry] = []

  public init() {}

  private func place(_ provider: Bytes32) -> Int? {
    entries.lastIndex { $0.provider == provider }
  }

  /// Whether it finished a lease for this publisher.
  public func isKnown(_ provider: Bytes32) -> Bool {
    place(provider).map { entries[$0].settled > 0 } ?? false
  }

  /// Whether a debt that a provider names is one that is known here, and no more than it.
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

  /// A lease ended with something unpaid.
  mutating func owes(_ debt: Debt, to provider: Bytes32) {
    change(provider) { entry in
      entry.debts.removeAll { $0.lease == debt.lease }
      entry.debts.append(debt)
      if entry.debts.count > ProviderBook.maxDebts { entry.debts.removeFirst() }
    }
  }

  /// A debt was taken over by a later lease.
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

  /// Nil for bytes that are no record: a damaged disk, or a later version.
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

/// The book, and its place on the disk.
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
