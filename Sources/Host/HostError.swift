import CHost

/// Why a system operation failed.
public indirect enum HostError: Error, Equatable {
  /// A system call failed with `errno`; `subject` is the path, address or descriptor that it used.
  case failed(errno: Int32, operation: String, subject: String)
  /// The file `path` holds more than `limit` bytes.
  case tooLarge(path: String, limit: Int)
  /// Another process holds the lock file `path`.
  case locked(path: String)
  /// `path` is not a regular file, or contains a NUL byte.
  case notAFile(path: String)
  /// `text` is not a valid address.
  case badAddress(text: String)
  /// The host `name` has no known address.
  case unknownHost(name: String)
  /// The caller's filter rejects this address.
  case notAccepted(address: String)

  /// The errno value of a failed system call, or 0.
  public var errno: Int32 {
    if case .failed(let errno, _, _) = self { return errno }
    return 0
  }

  /// The disk is full, or the location is not writable.
  public var isUnwritable: Bool {
    [HOST_ENOSPC, HOST_EROFS, HOST_EACCES, HOST_EDQUOT].contains { errno == Int32($0) }
  }

  /// The reader of a pipe or a socket has closed it.
  public var isUnread: Bool { errno == Int32(HOST_EPIPE) }

  public var isNotFound: Bool { errno == Int32(HOST_ENOENT) }

  /// The message, one line.
  public var message: String {
    switch self {
    case .failed(let errno, let operation, let subject):
      return "\(subject): \(operation): \(HostError.text(errno))"
    case .tooLarge(let path, let limit): return "\(path): larger than \(limit) bytes"
    case .locked(let path): return "\(path): in use by another process"
    case .notAFile(let path): return "\(path): not a regular file"
    case .badAddress(let text): return "\(text): not an address"
    case .unknownHost(let name): return "\(name): no address is known for this host"
    case .notAccepted(let address): return "\(address): connections to this address are not allowed"
    }
  }

  /// The system's text for an errno value.
  static func text(_ errno: Int32) -> String {
    var text = [CChar](repeating: 0, count: 128)
    host_error_text(errno, &text, UInt32(text.count))
    return String(terminated: text)
  }

  /// Returns a result of CHost, or throws its error if it is negative.
  @discardableResult
  static func check(
    _ result: Int32, _ operation: String, _ subject: String
  ) throws(HostError) -> Int32 {
    if result < 0 { throw .failed(errno: -result, operation: operation, subject: subject) }
    return result
  }
}

extension String {
  /// The text up to the first NUL of a C buffer; invalid UTF-8 is replaced.
  init(terminated buffer: [CChar]) {
    var bytes: [UInt8] = []
    for character in buffer {
      if character == 0 { break }
      bytes.append(UInt8(bitPattern: character))
    }
    self = String(decoding: bytes, as: UTF8.self)
  }

  /// The UTF-8 bytes with a terminating NUL, as a C string; nil if there is a NUL inside.
  var terminated: [CChar]? {
    var buffer: [CChar] = []
    for byte in utf8 {
      if byte == 0 { return nil }
      buffer.append(CChar(bitPattern: byte))
    }
    buffer.append(0)
    return buffer
  }
}
