import Host

/// Why the development chain could not do something. Peers' mistakes are not here: they end in a
/// disconnect, with a reason in the log.
public enum DevnetError: Error, Equatable {
  /// libbitcoinkernel could not be started on a folder.
  case kernelFailed(what: String, directory: String)
  /// A file could not be opened, read or written. `code` is errno.
  case file(path: String, operation: String, code: Int32)
  /// The system refused a socket, a folder or a lock.
  case host(HostError)
  /// A block that this node made or loaded was not accepted.
  case blockRejected(reason: String)
  /// The faucet cannot give this much.
  case faucetEmpty(wantedSat: UInt64, haveSat: UInt64)
  /// An address, an amount or another argument makes no sense.
  case badArgument(String)
  /// The mempool refused a transaction.
  case transactionRejected(TransactionRejection)
  /// The node behind a control socket does not answer, or says no.
  case control(String)

  /// One line for people.
  public var message: String {
    switch self {
    case .kernelFailed(let what, let directory):
      return "libbitcoinkernel: \(what) failed on \(directory)"
    case .file(let path, let operation, let code):
      return "\(path): \(operation) failed: errno \(code)"
    case .host(let error): return error.message
    case .blockRejected(let reason): return "block rejected: \(reason)"
    case .faucetEmpty(let wanted, let have):
      return "the faucet has \(have) sat of mature coins, \(wanted) sat are wanted"
    case .badArgument(let what): return what
    case .transactionRejected(let rejection): return "transaction rejected: \(rejection.message)"
    case .control(let what): return what
    }
  }
}

/// Runs a body that fails as module Host fails, and fails as this module does.
func hosting<Value>(_ body: () throws(HostError) -> Value) throws(DevnetError) -> Value {
  do { return try body() } catch { throw DevnetError.host(error) }
}
