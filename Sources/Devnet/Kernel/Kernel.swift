import Bytes
internal import CBitcoinKernel
import Foundation

/// A block in the kernel's tree, on the best chain or not.
public struct KernelEntry: Equatable, Sendable {
  /// Wire byte order.
  public let hash: Bytes32
  public let height: UInt32
  /// The 80 bytes of the header.
  public let header: [UInt8]
  /// Zero for the genesis block.
  public let previousHash: Bytes32
}

/// A spent output, with its origin.
public struct KernelCoin: Equatable, Sendable {
  public let output: SpentOutput
  public let height: UInt32
  public let isCoinbase: Bool
}

/// The kernel's verdict on a block.
public enum BlockVerdict: Equatable, Sendable {
  /// Valid. `isNew` is false for a block that was already known.
  case accepted(isNew: Bool)
  /// Invalid, or without a known parent; `reason` is a message.
  case rejected(reason: String)
}

/// Bitcoin Core's validation (libbitcoinkernel) for one regtest chain in one folder. Not
/// thread-safe.
public final class Kernel {
  private let context: OpaquePointer
  private let manager: OpaquePointer
  /// Always reflects the current best chain.
  private let chain: OpaquePointer
  private let verdicts: VerdictBox

  /// Opens or creates the chain in `directory`.
  public init(directory: String) throws(DevnetError) {
    Self.silence
    verdicts = VerdictBox()
    context = try Self.makeContext(verdicts, directory)
    do throws(DevnetError) {
      manager = try Self.makeManager(context, directory)
      guard let active = btck_chainstate_manager_get_active_chain(manager) else {
        btck_chainstate_manager_destroy(manager)
        throw DevnetError.kernelFailed(what: "reading the chain", directory: directory)
      }
      chain = active
    } catch {
      btck_context_destroy(context)
      throw error
    }
  }

  deinit {
    // This also writes the kernel's state in memory to disk.
    btck_chainstate_manager_destroy(manager)
    btck_context_destroy(context)
  }

  /// Validates a serialised block; if it leads to more work, it becomes the tip.
  ///
  /// A block on a weaker branch only undergoes checks that need no chain state, as in any node; its
  /// scripts are validated when the branch becomes the best.
  public func process(block bytes: [UInt8]) -> BlockVerdict {
    let parsed = bytes.withUnsafeBytes { btck_block_create($0.baseAddress, $0.count) }
    guard let block = parsed else { return .rejected(reason: "does not parse") }
    defer { btck_block_destroy(block) }
    guard let hash = btck_block_get_hash(block) else { return .rejected(reason: "has no hash") }
    defer { btck_block_hash_destroy(hash) }
    let wanted = Self.bytes(of: hash)
    verdicts.reset()
    var isNew: Int32 = 0
    let status = btck_chainstate_manager_process_block(manager, block, &isNew)
    // The kernel returns success for a block that it stored and then found invalid, so the result
    // of its validation callback for this block decides.
    if let reason = verdicts.reason(for: wanted) { return .rejected(reason: reason) }
    if status != 0 { return .rejected(reason: verdicts.anyReason ?? "not accepted") }
    return .accepted(isNew: isNew == 1)
  }

  /// The last block of the best chain.
  public var tip: KernelEntry {
    let height = btck_chain_get_height(chain)
    guard let entry = entry(height: UInt32(max(0, height))) else {
      preconditionFailure("the kernel has no genesis block")
    }
    return entry
  }

  /// The block of the best chain at `height`; nil above the tip.
  public func entry(height: UInt32) -> KernelEntry? {
    guard let wanted = Int32(exactly: height), wanted <= btck_chain_get_height(chain),
      let pointer = btck_chain_get_by_height(chain, wanted)
    else { return nil }
    return describe(pointer)
  }

  /// A block or a header that the kernel has received, on any branch.
  public func entry(hash: Bytes32) -> KernelEntry? {
    guard let pointer = pointer(hash) else { return nil }
    return describe(pointer)
  }

  /// True when `hash` is on the best chain.
  public func isOnBestChain(_ hash: Bytes32) -> Bool {
    guard let pointer = pointer(hash) else { return false }
    return btck_chain_contains(chain, pointer) == 1
  }

  /// The serialised block, with witnesses; nil if its data is not stored.
  public func block(hash: Bytes32) -> [UInt8]? {
    guard let pointer = pointer(hash), let block = btck_block_read(manager, pointer) else {
      return nil
    }
    defer { btck_block_destroy(block) }
    let sink = ByteSink()
    let status = btck_block_to_bytes(
      block, { ByteSink.write($0, $1, $2) }, Unmanaged.passUnretained(sink).toOpaque())
    return status == 0 ? sink.bytes : nil
  }

  /// The outputs that the block's transactions spent, one list per transaction in block order,
  /// without the coinbase. Nil for the genesis block and for a block that was never connected.
  public func spentCoins(hash: Bytes32) -> [[KernelCoin]]? {
    guard let pointer = pointer(hash), btck_block_tree_entry_get_height(pointer) > 0,
      let spent = btck_block_spent_outputs_read(manager, pointer)
    else { return nil }
    defer { btck_block_spent_outputs_destroy(spent) }
    return (0..<btck_block_spent_outputs_count(spent)).map { index in
      guard let coins = btck_block_spent_outputs_get_transaction_spent_outputs_at(spent, index)
      else { return [] }
      return (0..<btck_transaction_spent_outputs_count(coins)).compactMap { position in
        describe(coin: btck_transaction_spent_outputs_get_coin_at(coins, position))
      }
    }
  }

  // MARK: Conversion

  private func pointer(_ hash: Bytes32) -> OpaquePointer? {
    guard let wanted = btck_block_hash_create(hash.array) else { return nil }
    defer { btck_block_hash_destroy(wanted) }
    return btck_chainstate_manager_get_block_tree_entry_by_hash(manager, wanted)
  }

  private func describe(_ entry: OpaquePointer) -> KernelEntry? {
    guard let hash = btck_block_tree_entry_get_block_hash(entry),
      let header = btck_block_tree_entry_get_block_header(entry)
    else { return nil }
    defer { btck_block_header_destroy(header) }
    var bytes = [UInt8](repeating: 0, count: 80)
    guard btck_block_header_to_bytes(header, &bytes) == 0 else { return nil }
    return KernelEntry(
      hash: Self.bytes(of: hash), height: UInt32(btck_block_tree_entry_get_height(entry)),
      header: bytes, previousHash: Bytes32(bytes, at: 4))
  }

  private func describe(coin: OpaquePointer?) -> KernelCoin? {
    guard let coin, let output = btck_coin_get_output(coin) else { return nil }
    let sink = ByteSink()
    let status = btck_script_pubkey_to_bytes(
      btck_transaction_output_get_script_pubkey(output), { ByteSink.write($0, $1, $2) },
      Unmanaged.passUnretained(sink).toOpaque())
    guard status == 0 else { return nil }
    let amount = UInt64(max(0, btck_transaction_output_get_amount(output)))
    return KernelCoin(
      output: SpentOutput(amountSat: amount, scriptPubKey: sink.bytes),
      height: btck_coin_confirmation_height(coin), isCoinbase: btck_coin_is_coinbase(coin) == 1)
  }

  fileprivate static func bytes(of hash: OpaquePointer) -> Bytes32 {
    var bytes = [UInt8](repeating: 0, count: 32)
    btck_block_hash_to_bytes(hash, &bytes)
    return Bytes32(bytes)
  }

  // MARK: Start

  /// Without this the kernel buffers a megabyte of log lines that are never read.
  private static let silence: Void = btck_logging_disable()

  /// `btck_ChainType_REGTEST`.
  private static let regtest: UInt8 = 4

  private static func makeContext(
    _ verdicts: VerdictBox, _ directory: String
  ) throws(DevnetError) -> OpaquePointer {
    guard let parameters = btck_chain_parameters_create(regtest),
      let options = btck_context_options_create()
    else { throw DevnetError.kernelFailed(what: "making options", directory: directory) }
    defer {
      btck_chain_parameters_destroy(parameters)
      btck_context_options_destroy(options)
    }
    btck_context_options_set_chainparams(options, parameters)
    var callbacks = btck_ValidationInterfaceCallbacks()
    callbacks.user_data = Unmanaged.passRetained(verdicts).toOpaque()
    callbacks.user_data_destroy = { pointer in
      if let pointer { Unmanaged<VerdictBox>.fromOpaque(pointer).release() }
    }
    callbacks.block_checked = { VerdictBox.checked($0, $1, $2) }
    btck_context_options_set_validation_interface(options, callbacks)
    var notifications = btck_NotificationInterfaceCallbacks()
    notifications.flush_error = { _, text, count in KernelAlarm.report("flush", text, count) }
    notifications.fatal_error = { _, text, count in KernelAlarm.report("fatal", text, count) }
    btck_context_options_set_notifications(options, notifications)
    guard let context = btck_context_create(options) else {
      throw DevnetError.kernelFailed(what: "making a context", directory: directory)
    }
    return context
  }

  private static func makeManager(
    _ context: OpaquePointer, _ directory: String
  ) throws(DevnetError) -> OpaquePointer {
    let blocks = directory + "/blocks"
    let made = btck_chainstate_manager_options_create(
      context, directory, directory.utf8.count, blocks, blocks.utf8.count)
    guard let options = made else {
      throw DevnetError.kernelFailed(what: "opening", directory: directory)
    }
    defer { btck_chainstate_manager_options_destroy(options) }
    btck_chainstate_manager_options_set_worker_threads_num(options, 0)
    guard let manager = btck_chainstate_manager_create(options) else {
      throw DevnetError.kernelFailed(what: "loading the chain", directory: directory)
    }
    if btck_chainstate_manager_import_blocks(manager, nil, nil, 0) != 0 {
      btck_chainstate_manager_destroy(manager)
      throw DevnetError.kernelFailed(what: "activating the chain", directory: directory)
    }
    return manager
  }
}

/// Collects the bytes that the kernel passes to a callback.
private final class ByteSink {
  var bytes: [UInt8] = []

  static func write(_ data: UnsafeRawPointer?, _ count: Int, _ user: UnsafeMutableRawPointer?)
    -> Int32
  {
    guard let user, let data else { return count == 0 ? 0 : 1 }
    let sink = Unmanaged<ByteSink>.fromOpaque(user).takeUnretainedValue()
    sink.bytes.append(contentsOf: UnsafeRawBufferPointer(start: data, count: count))
    return 0
  }
}

/// Stores why blocks were found invalid while one block is processed. The kernel calls back on the
/// processing thread.
private final class VerdictBox {
  private var reasons: [(hash: Bytes32, text: String)] = []

  func reset() { reasons = [] }

  func reason(for hash: Bytes32) -> String? { reasons.first { $0.hash == hash }?.text }

  var anyReason: String? { reasons.first?.text }

  static func checked(
    _ user: UnsafeMutableRawPointer?, _ block: OpaquePointer?, _ state: OpaquePointer?
  ) {
    guard let user, let block, let state else { return }
    // The callback owns this copy of the block.
    defer { btck_block_destroy(block) }
    guard btck_block_validation_state_get_validation_mode(state) != 0 else { return }
    guard let hash = btck_block_get_hash(block) else { return }
    defer { btck_block_hash_destroy(hash) }
    let box = Unmanaged<VerdictBox>.fromOpaque(user).takeUnretainedValue()
    let text = describe(btck_block_validation_state_get_block_validation_result(state))
    box.reasons.append((Kernel.bytes(of: hash), text))
  }

  /// `btck_BlockValidationResult` as text.
  private static func describe(_ result: UInt32) -> String {
    switch result {
    case 1: return "breaks a consensus rule"
    case 2: return "was found invalid before"
    case 3: return "bad proof of work, or too old"
    case 4: return "its data does not match its header"
    case 5: return "its predecessor is unknown"
    case 6: return "its predecessor is invalid"
    case 7: return "its time is more than two hours ahead"
    case 8: return "too little work"
    default: return "invalid"
    }
  }
}

/// Prints the kernel's fatal errors: a full disk, a damaged database.
private enum KernelAlarm {
  static func report(_ kind: String, _ text: UnsafePointer<CChar>?, _ count: Int) {
    guard let text else { return }
    let bytes = UnsafeRawBufferPointer(start: text, count: count)
    let line = "libbitcoinkernel \(kind) error: \(String(decoding: bytes, as: UTF8.self))\n"
    FileHandle.standardError.write(Data(line.utf8))
  }
}
