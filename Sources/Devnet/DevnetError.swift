import Host

/// Why an operation of the development chain failed. Mistakes of peers are not errors here: they
/// cause a disconnect, and the reason is logged.
public enum DevnetError: Error, Equatable {
  /// libbitcoinkernel could not be started on a folder.
  case kernelFailed(what: String, directory: String)
  /// A file could not be opened, read or written. `code` is errno.
  case file(path: String, operation: String, code: Int32)
  /// The system refused a socket, a folder or a lock.
  case host(HostError)
  /// A block that this node made or loaded was not accepted.
  case blockRejected(reason: String)
  /// The faucet has too few coins.
  case faucetEmpty(wantedSat: UInt64, haveSat: UInt64)
  /// An invalid address, amount or other argument.
  case badArgument(String)
  /// The mempool refused a transaction.
  case transactionRejected(TransactionRejection)
  /// The node behind a control socket does not answer, or refuses.
  case control(String)

  /// The message, one line.
  public var message: String {
    switch self {
    case .kernelFailed(let what, let directory):
      return "libbitcoinkernel: \(what) failed on \(directory)"
    case .file(let path, let operation, let code):
      return "\(path): \(operation) failed: errno \(code)"
    case .host(let error): return error.message
    case .blockRejected(let reason): return "block rejected: \(reason)"
    case .faucetEmpty(let wanted, let have):
      return "the faucet has \(have) sat of mature coins, \(wanted) sat are needed"
    case .badArgument(let what): return what
    case .transactionRejected(let rejection): return "transaction rejected: \(rejection.message)"
    case .control(let what): return what
    }
  }
}

/// Runs a body that throws Host's errors, and converts them to this module's.
func hosting<Value>(_ body: () throws(HostError) -> Value) throws(DevnetError) -> Value {
  do { return try body() } catch { throw DevnetError.host(error) }
}
