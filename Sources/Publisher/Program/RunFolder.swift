import Bitcoin
import Bytes
import Foundation
import Host
import Market
import Storage
import Wallet

/// A publisher's data folder: the wallet, and beside it `ledger.db` with runs, hires and channels,
/// and `runs/NAME` with each run's bundles, options and results.
public final class RunFolder {
  enum DocumentKind {
    static let run: UInt32 = 16
    static let hire: UInt32 = 17
  }
  private static let settings: UInt32 = 16
  private static let channelIndexKey = "channel-index"

  public let path: String
  public let walletFolder: WalletFolder
  public let ledger: Ledger

  /// Opens the folder.
  /// - Parameter makesWallet: where there is none; else that is an error, and nothing is made.
  public init(path: String, network: Network, makesWallet: Bool = false) throws(RunError) {
    self.path = path
    if !Files.exists(path + "/phrase") {
      if !makesWallet { throw .usage("\(path): there is no wallet, and no run") }
      try RunFolder.makeWallet(path)
    }
    do throws(WalletFolderError) {
      walletFolder = try WalletFolder(path: path, network: network)
    } catch { throw .folder(error) }
    do throws(StorageError) {
      ledger = try Ledger(path: path + "/ledger.db")
    } catch { throw .storage(error) }
  }

  private static func makeWallet(_ path: String) throws(RunError) {
    let phrase: Phrase
    do throws(WalletError) {
      phrase = try Phrase(entropy: Entropy.bytes(16))
    } catch { throw .wallet(error) }
    do throws(WalletFolderError) {
      try WalletFolder.create(path: path, phrase: phrase, bornUnixSeconds: Clock.unixSeconds())
    } catch { throw .folder(error) }
  }

  // MARK: Runs

  /// As people name a run.
  public static func name(_ id: Bytes32) -> String { String(id.hex.prefix(12)) }

  public func folder(_ id: Bytes32) -> String { path + "/runs/" + RunFolder.name(id) }

  /// The newest first.
  public func runs() throws(RunError) -> [RunRecord] {
    var records: [RunRecord] = []
    try forEach(DocumentKind.run) { (document) throws(RunError) in
      guard let record = RunRecord.decode(document.body) else {
        throw .damaged("run " + document.id.hex + " cannot be read")
      }
      records.append(record)
    }
    return records.sorted { $0.startedUnixSeconds > $1.startedUnixSeconds }
  }

  /// The run of this name, or the newest that is not finished, or the newest.
  public func run(named name: String?) throws(RunError) -> RunRecord {
    let all = try runs()
    if let name {
      let found = all.filter { $0.id.hex.hasPrefix(name) }
      if found.count == 1 { return found[0] }
      throw .usage(found.isEmpty ? "no run is named \(name)" : "several runs begin with \(name)")
    }
    guard let record = all.first(where: { !$0.isFinished }) ?? all.first else {
      throw .usage("there is no run in \(path)")
    }
    return record
  }

  /// The newest run of this offer that is to be taken up. One whose work is done, and whose machines have
  /// nothing to do but close their channels, is not: whoever gives its command again wants it done again.
  public func interrupted(_ offer: Offer) throws(RunError) -> RunRecord? {
    for record in try runs() where !record.isFinished && record.offer.digest == offer.digest {
      let done = try hires(of: record.id).filter { $0.receipt != nil }
      if done.count < Int(offer.workers) { return record }
    }
    return nil
  }

  /// The hires of a run, by worker.
  public func hires(of run: Bytes32) throws(RunError) -> [HireRecord] {
    var found: [HireRecord] = []
    try forEach(DocumentKind.hire) { (document) throws(RunError) in
      guard let record = HireRecord.decode(document.body) else {
        throw .damaged("hire " + document.id.hex + " cannot be read")
      }
      if record.run == run { found.append(record) }
    }
    return found.sorted { $0.contract.contract.workerIndex < $1.contract.contract.workerIndex }
  }

  public func channelState(_ contract: Bytes32) throws(RunError) -> [UInt8]? {
    try storing { () throws(StorageError) in try ledger.channels.load(contract)?.state }
  }

  // MARK: What a run needs to be taken up again

  /// Everything but the record: to be on disk before the record is.
  func keep(_ options: RunOptions, bundles: [[UInt8]], id: Bytes32) throws(RunError) {
    let folder = folder(id)
    do throws(HostError) {
      try Files.makeFolder(folder)
      for (index, bundle) in bundles.enumerated() {
        try Files.writeAtomically(folder + "/bundle-\(index).tar.zst", bundle)
      }
    } catch { throw .host(error) }
    try replace(options, of: id)
  }

  public func replace(_ options: RunOptions, of id: Bytes32) throws(RunError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    let text = (try? encoder.encode(options)) ?? Data()
    do throws(HostError) {
      try Files.writeAtomically(folder(id) + "/options.json", Array(text))
    } catch { throw .host(error) }
  }

  /// Where a run's results come in, and go out.
  func results(of record: RunRecord, _ options: RunOptions) -> ResultsWriter {
    ResultsWriter(
      folder: folder(record.id), target: options.results,
      limitBytes: record.offer.maxResultBytes)
  }

  public func options(of id: Bytes32) throws(RunError) -> RunOptions {
    try RunFolder.options(in: folder(id))
  }

  static func options(in folder: String) throws(RunError) -> RunOptions {
    let file = folder + "/options.json"
    let bytes: [UInt8]
    do throws(HostError) { bytes = try Files.read(file, limit: 1 << 20) } catch {
      throw .host(error)
    }
    guard let options = try? JSONDecoder().decode(RunOptions.self, from: Data(bytes)) else {
      throw .damaged(file + " cannot be read")
    }
    return options
  }

  public func bundles(of record: RunRecord) throws(RunError) -> [[UInt8]] {
    var bundles: [[UInt8]] = []
    for index in 0..<record.bundleCount {
      do throws(HostError) {
        bundles.append(
          try Files.read(
            folder(record.id) + "/bundle-\(index).tar.zst",
            limit: Int(record.offer.maxBundleBytes)))
      } catch { throw .host(error) }
    }
    return bundles
  }

  // MARK: Storing

  func channelIndex() throws(RunError) -> UInt32 {
    let bytes = try storing { () throws(StorageError) in
      try ledger.values(space: RunFolder.settings).get(RunFolder.channelIndexKey)
    }
    guard let bytes else { return 0 }
    var reader = ByteReader(bytes)
    guard let index = try? reader.u32le() else { throw .damaged("the ledger's channel index") }
    return index
  }

  func storeChannelIndex(_ index: UInt32) throws(RunError) {
    var writer = ByteWriter()
    writer.u32le(index)
    let bytes = writer.bytes
    try storing { () throws(StorageError) in
      try ledger.values(space: RunFolder.settings).put(RunFolder.channelIndexKey, bytes)
    }
  }

  func store(_ kind: UInt32, id: Bytes32, _ body: [UInt8]) throws(RunError) {
    let document = StoredDocument(
      kind: kind, id: id, unixSeconds: Clock.unixSeconds(), body: body)
    try storing { () throws(StorageError) in try ledger.documents.put(document) }
  }

  func storeChannel(
    _ contract: Bytes32, sequence: UInt64, amountSat: UInt64, _ state: [UInt8]
  ) throws(RunError) {
    let seconds = Clock.unixSeconds()
    try storing { () throws(StorageError) in
      try ledger.channels.store(
        contract, sequence: sequence, amountSat: amountSat, state: state, unixSeconds: seconds)
    }
  }

  /// Every document of a kind, however many there are: each may be about money that waits.
  private func forEach(
    _ kind: UInt32, _ use: (StoredDocument) throws(RunError) -> Void
  ) throws(RunError) {
    let documents = ledger.documents
    for id in try storing({ () throws(StorageError) in try documents.identifiers(kind: kind) }) {
      let document = try storing { () throws(StorageError) in
        try documents.get(kind: kind, id: id)
      }
      if let document { try use(document) }
    }
  }

  private func storing<T>(_ body: () throws(StorageError) -> T) throws(RunError) -> T {
    do throws(StorageError) { return try body() } catch { throw .storage(error) }
  }
}
