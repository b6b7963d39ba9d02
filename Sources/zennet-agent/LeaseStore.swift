import Agent
import Bytes
import Storage

/// The core's stored state: leases, their tasks and channels, and documents kept across leases.
struct LeaseStore {
  private let ledger: Ledger

  init(_ ledger: Ledger) { self.ledger = ledger }

  // MARK: Effects

  /// Performs a store; it is on disk on return.
  func carryOut(_ effect: AgentEffect, unixSeconds: UInt64) throws(StorageError) {
    switch effect {
    case .storeLease(let contract, let record):
      try put(DocumentKind.lease, contract, record, unixSeconds)
    case .storeRows(let contract, let rows):
      var stored: [TaskRowStore.Row] = []
      for row in rows { stored.append(TaskRowStore.Row(number: row.number, body: row.body)) }
      try ledger.tasks.apply(contract, stored)
    case .storeChannel(let id, let sequence, let amountSat, let state):
      try ledger.channels.store(
        id, sequence: sequence, amountSat: amountSat, state: state, unixSeconds: unixSeconds)
    case .storeMemory(let kind, let bytes):
      try put(DocumentKind.memory, LeaseStore.id(kind), bytes, unixSeconds)
    case .archiveLease(let contract, let channels):
      try ledger.transaction { () throws(StorageError) in
        try archive(contract, channels, unixSeconds)
      }
    default: break
    }
  }

  private func put(
    _ kind: UInt32, _ id: Bytes32, _ body: [UInt8], _ unixSeconds: UInt64
  ) throws(StorageError) {
    try ledger.documents.put(
      StoredDocument(kind: kind, id: id, unixSeconds: unixSeconds, body: body))
  }

  private func archive(
    _ contract: Bytes32, _ channels: [Bytes32], _ unixSeconds: UInt64
  ) throws(StorageError) {
    for id in channels {
      if let stored = try ledger.channels.load(id), !stored.isClosed {
        try ledger.channels.close(id, state: stored.state, unixSeconds: unixSeconds)
      }
    }
    try ledger.tasks.removeAll(contract)
    guard let record = try ledger.documents.get(kind: DocumentKind.lease, id: contract) else {
      return
    }
    try put(DocumentKind.archivedLease, contract, record.body, unixSeconds)
    try ledger.documents.remove(kind: DocumentKind.lease, id: contract)
  }

  // MARK: Loading

  func memory(_ kind: MemoryKind) throws(StorageError) -> [UInt8]? {
    try ledger.documents.get(kind: DocumentKind.memory, id: LeaseStore.id(kind))?.body
  }

  /// Leases that are not archived, the oldest record first.
  func leases() throws(StorageError) -> [Bytes32] {
    var contracts = try ledger.documents.identifiers(kind: DocumentKind.lease)
    contracts.reverse()
    return contracts
  }

  /// Nil if its record is unreadable.
  func lease(_ contract: Bytes32) throws(StorageError) -> StoredLease? {
    guard let document = try ledger.documents.get(kind: DocumentKind.lease, id: contract),
      let record = LeaseRecord.decode(document.body)
    else { return nil }
    var channels: [[UInt8]?] = []
    for id in record.channelIds { channels.append(try ledger.channels.load(id)?.state) }
    var rows: [StoredRow] = []
    for row in try ledger.tasks.all(contract) {
      rows.append(StoredRow(number: row.number, body: row.body))
    }
    return StoredLease(record: document.body, channels: channels, rows: rows)
  }

  private static func id(_ kind: MemoryKind) -> Bytes32 {
    var bytes = Bytes32.zero.array
    bytes[31] = kind.rawValue
    return Bytes32(exactly: bytes) ?? .zero
  }
}
