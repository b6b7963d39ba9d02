import Bitcoin
import Bytes
import Foundation
import Host

/// A ``DevnetNode`` on its own thread, for tests and for programs with other tasks. Its methods may
/// be called from any thread and return once the node has carried them out.
///
/// ```swift
/// let devnet = try RunningDevnet(DevnetOptions(directory: folder))
/// try devnet.give(100_000, toAddress: "bcrt1…")
/// try devnet.mine(1)
/// // a light client connects to 127.0.0.1, devnet.port
/// try devnet.stop()
/// ```
public final class RunningDevnet: @unchecked Sendable {
  public let options: DevnetOptions
  /// The port for peers on 127.0.0.1.
  public let port: UInt16

  private let jobs = JobQueue()
  private let ended = DispatchSemaphore(value: 0)
  /// Validation needs more stack than the default of 512 KiB.
  private static let stackBytes = 16 << 20

  /// Starts the node and returns once it listens.
  public init(_ options: DevnetOptions) throws(DevnetError) {
    self.options = options
    let started = Outcome<UInt16>()
    let jobs = jobs
    let ended = ended
    let thread = Thread {
      RunningDevnet.run(options, jobs, started)
      ended.signal()
    }
    thread.stackSize = RunningDevnet.stackBytes
    thread.start()
    port = try started.wait()
  }

  deinit { try? stop() }

  private static func run(_ options: DevnetOptions, _ jobs: JobQueue, _ started: Outcome<UInt16>) {
    do throws(DevnetError) {
      let node = try DevnetNode(options)
      let pipe = try hosting { () throws(HostError) in try Descriptor.pipe() }
      try hosting { () throws(HostError) in try pipe.reading.setNonblocking(true) }
      jobs.open(pipe.writing)
      node.watchWakeups(pipe.reading.fd) { node in
        _ = try? pipe.reading.read(limit: 4096)
        jobs.run(node)
      }
      started.finish(.success(node.port))
      try node.run()
    } catch {
      started.finish(.failure(error))
    }
    jobs.close()
  }

  /// Runs `body` on the node's thread and returns its result.
  public func perform<Value: Sendable>(
    _ body: @escaping @Sendable (DevnetNode) throws(DevnetError) -> Value
  ) throws(DevnetError) -> Value {
    let outcome = Outcome<Value>()
    let isTaken = jobs.add { node in
      guard let node else {
        return outcome.finish(.failure(DevnetError.control("the node has stopped")))
      }
      do throws(DevnetError) {
        outcome.finish(.success(try body(node)))
      } catch {
        outcome.finish(.failure(error))
      }
    }
    if !isTaken { throw DevnetError.control("the node has stopped") }
    return try outcome.wait()
  }

  /// Stops the node, waits for its end, and releases its data folder.
  public func stop() throws(DevnetError) {
    try? perform { node throws(DevnetError) in node.stop() }
    ended.wait()
    ended.signal()
  }

  // MARK: Shorthands

  public var height: UInt32 {
    get throws(DevnetError) { try perform { node throws(DevnetError) in node.chain.height } }
  }

  public var tipHash: Bytes32 {
    get throws(DevnetError) { try perform { node throws(DevnetError) in node.chain.tipHash } }
  }

  /// See ``DevnetNode/mine(_:payout:minimumFeeSatPerKvB:)``.
  @discardableResult
  public func mine(
    _ count: UInt32, payout: [UInt8]? = nil, minimumFeeSatPerKvB: UInt64 = 0
  ) throws(DevnetError) -> [Bytes32] {
    try perform { node throws(DevnetError) in
      try node.mine(count, payout: payout, minimumFeeSatPerKvB: minimumFeeSatPerKvB)
    }
  }

  /// See ``DevnetNode/reorganize(depth:)``.
  @discardableResult
  public func reorganize(depth: UInt32) throws(DevnetError) -> Bytes32 {
    try perform { node throws(DevnetError) in try node.reorganize(depth: depth) }
  }

  /// See ``DevnetNode/give(_:to:)``.
  @discardableResult
  public func give(_ amountSat: UInt64, to scriptPubKey: [UInt8]) throws(DevnetError) -> Bytes32 {
    try perform { node throws(DevnetError) in try node.give(amountSat, to: scriptPubKey) }
  }

  /// See ``DevnetNode/give(_:toAddress:)``.
  @discardableResult
  public func give(_ amountSat: UInt64, toAddress address: String) throws(DevnetError) -> Bytes32 {
    try perform { node throws(DevnetError) in try node.give(amountSat, toAddress: address) }
  }

  /// Submits a transaction as if a peer had sent it; throws ``DevnetError/transactionRejected(_:)``
  /// with the reason.
  @discardableResult
  public func submit(_ transaction: Transaction) throws(DevnetError) -> Bytes32 {
    try perform { node throws(DevnetError) in
      do throws(TransactionRejection) {
        return try node.submit(transaction)
      } catch {
        throw DevnetError.transactionRejected(error)
      }
    }
  }

  /// See ``DevnetNode/submit(block:)``.
  public func submit(block: Block) throws(DevnetError) {
    try perform { node throws(DevnetError) in try node.submit(block: block) }
  }

  /// Copies the blocks of another node's best chain that this node lacks, so that two nodes of a
  /// test serve one chain. The chains must share their first blocks: start this one with
  /// `initialBlocks` 0.
  public func copyChain(of other: RunningDevnet) throws(DevnetError) {
    let known = try perform { node throws(DevnetError) in
      (0...node.chain.height).compactMap { node.chain.hash(at: $0) }
    }
    let missing = try other.perform { node throws(DevnetError) -> [Block] in
      var fork = UInt32(min(known.count, Int(node.chain.height) + 1))
      while fork > 0 && node.chain.hash(at: fork - 1) != known[Int(fork - 1)] { fork -= 1 }
      if fork > node.chain.height { return [] }
      return (fork...node.chain.height).compactMap { height in
        node.chain.hash(at: height).flatMap { node.chain.block(hash: $0) }
      }
    }
    try perform { node throws(DevnetError) in try node.submit(blocks: missing) }
  }

  /// See ``DevnetNode/transaction(_:)``.
  public func transaction(
    _ txid: Bytes32
  ) throws(DevnetError) -> (transaction: Transaction, height: UInt32?)? {
    try perform { node throws(DevnetError) in node.transaction(txid) }
  }

  /// The block of the best chain at `height`.
  public func block(at height: UInt32) throws(DevnetError) -> Block? {
    try perform { node throws(DevnetError) in
      node.chain.hash(at: height).flatMap { node.chain.block(hash: $0) }
    }
  }
}

/// A value that one thread waits for and another thread sets, once.
private final class Outcome<Value: Sendable>: @unchecked Sendable {
  private let lock = NSLock()
  private let ready = DispatchSemaphore(value: 0)
  private var result: Result<Value, DevnetError>?

  func finish(_ result: Result<Value, DevnetError>) {
    let isFirst = lock.withLock {
      if self.result != nil { return false }
      self.result = result
      return true
    }
    if isFirst { ready.signal() }
  }

  func wait() throws(DevnetError) -> Value {
    ready.wait()
    let result = lock.withLock { self.result }
    guard let result else { throw DevnetError.control("the node did not answer") }
    return try result.get()
  }
}

/// Work from other threads for the node's thread.
private final class JobQueue: @unchecked Sendable {
  /// Called with nil if the node ends first.
  typealias Job = @Sendable (DevnetNode?) -> Void

  private let lock = NSLock()
  private var jobs: [Job] = []
  private var waker: Descriptor?

  func open(_ descriptor: Descriptor) { lock.withLock { waker = descriptor } }

  /// False if the node has ended.
  func add(_ job: @escaping Job) -> Bool {
    lock.withLock {
      guard let waker else { return false }
      jobs.append(job)
      _ = try? waker.write([1])
      return true
    }
  }

  func run(_ node: DevnetNode) {
    let taken = lock.withLock {
      defer { jobs = [] }
      return jobs
    }
    for job in taken { job(node) }
  }

  func close() {
    let left = lock.withLock {
      waker = nil
      defer { jobs = [] }
      return jobs
    }
    for job in left { job(nil) }
  }
}
