import Foundation

/// A real bitcoind on 127.0.0.1, for tests that `ZENNET_BITCOIND` switches on (see
/// `scripts/build-bitcoind`). It connects to nobody by itself.
public final class BitcoinNode {
  public struct Failure: Error, CustomStringConvertible {
    public let description: String
  }

  /// The program, where there is one.
  public static let program = ProcessInfo.processInfo.environment["ZENNET_BITCOIND"]
  /// For `.enabled(if:)`, so that what is left out is said.
  public static var isHere: Bool {
    program.map { FileManager.default.isExecutableFile(atPath: $0) } ?? false
  }
  public static let missing =
    "NOT TESTED AGAINST BITCOIN CORE: set ZENNET_BITCOIND (scripts/build-bitcoind makes one)"

  public enum Chain {
    case regtest
    /// A signet of this challenge.
    case signet([UInt8])

    var options: [String] {
      switch self {
      case .regtest: return ["-regtest"]
      case .signet(let challenge):
        let hex = challenge.map { String(format: "%02x", $0) }.joined()
        return ["-signet", "-signetchallenge=" + hex]
      }
    }

    var folder: String {
      if case .regtest = self { return "regtest" }
      return "signet"
    }
  }

  public let port: UInt16
  public let chain: Chain
  private let rpcPort: UInt16
  private let folder: String
  private let options: [String]
  private var process: Process?
  /// What the shell around the node reads from: it ends when this program does, however that ends.
  private var lifeline: Pipe?

  /// Runs what follows, and kills it when standard input comes to its end.
  private static let guardian = """
    exec 3<&0
    "$@" 3<&- </dev/null & node=$!
    (read -r _ <&3; kill -9 $node) & guard=$!
    wait $node; code=$?
    kill -9 $guard
    exit $code
    """

  /// Starts a node that keeps its data in `folder`, and waits until it answers. By default it serves
  /// filters; `options` are added to its command line.
  public init(
    folder: String, chain: Chain = .regtest, servesFilters: Bool = true, options: [String] = []
  ) throws {
    self.folder = folder
    self.chain = chain
    port = try BitcoinNode.freePort()
    rpcPort = try BitcoinNode.freePort()
    self.options =
      options + (servesFilters ? ["-blockfilterindex=1", "-peerblockfilters=1"] : [])
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try start()
  }

  deinit { stop() }

  private static func freePort() throws -> UInt16 {
    let socket = try LoopbackSocket()
    return try socket.bindAnywhere()
  }

  /// Starts it again after ``stop()``.
  public func start() throws {
    let process = Process()
    let lifeline = Pipe()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments =
      ["-c", BitcoinNode.guardian, "bash", BitcoinNode.program ?? "bitcoind"] + chain.options + [
        "-datadir=" + folder, "-server", "-listen", "-bind=127.0.0.1:\(port)",
        "-rpcbind=127.0.0.1", "-rpcallowip=127.0.0.1", "-rpcport=\(rpcPort)", "-connect=0",
        "-dnsseed=0", "-fixedseeds=0", "-discover=0", "-listenonion=0", "-natpmp=0", "-par=1",
        "-dbcache=8", "-maxmempool=5", "-debug=net", "-debuglogfile=debug.log",
      ] + options
    process.standardInput = lifeline
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    self.process = process
    self.lifeline = lifeline
    let end = Date(timeIntervalSinceNow: 60)
    while true {
      if !process.isRunning { throw Failure(description: "bitcoind ended: " + log) }
      if (try? call("getblockcount")) != nil { return }
      if Date() > end { throw Failure(description: "bitcoind does not answer: " + log) }
      Thread.sleep(forTimeInterval: 0.05)
    }
  }

  public func stop() {
    guard let process else { return }
    _ = try? call("stop")
    process.waitUntilExit()
    self.process = nil
    lifeline = nil
  }

  /// The end of the node's own log.
  public var log: String {
    let path = folder + "/" + chain.folder + "/debug.log"
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return "" }
    return String(text.suffix(2000))
  }

  // MARK: Calls

  /// One RPC call; the result as JSON's types.
  @discardableResult
  public func call(_ method: String, _ parameters: [Any] = []) throws -> Any {
    let cookiePath = folder + "/" + chain.folder + "/.cookie"
    let cookie = try String(contentsOfFile: cookiePath, encoding: .utf8)
    let body = try JSONSerialization.data(
      withJSONObject: ["method": method, "params": parameters, "id": 1] as [String: Any])
    let head =
      "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: Basic "
      + Data(cookie.utf8).base64EncodedString()
      + "\r\nContent-Type: application/json\r\nContent-Length: \(body.count)\r\n\r\n"
    let socket = try LoopbackSocket()
    try socket.connect(rpcPort)
    let answer = try socket.exchange(Data(head.utf8) + body)
    guard let split = answer.range(of: Data("\r\n\r\n".utf8)) else {
      throw Failure(description: "\(method): no answer")
    }
    let parsed = try JSONSerialization.jsonObject(with: answer[split.upperBound...])
    guard let object = parsed as? [String: Any] else {
      throw Failure(description: "\(method): an answer of another form")
    }
    if let error = object["error"] as? [String: Any] {
      throw Failure(description: "\(method): \(error["message"] ?? error)")
    }
    return object["result"] ?? NSNull()
  }

  private func text(_ method: String, _ parameters: [Any] = []) throws -> String {
    guard let text = try call(method, parameters) as? String else {
      throw Failure(description: "\(method): no text")
    }
    return text
  }

  public var height: UInt32 {
    get throws { UInt32((try call("getblockcount") as? NSNumber)?.uint32Value ?? 0) }
  }

  /// As people read it: the last byte first.
  public var tipHash: String { get throws { try text("getbestblockhash") } }

  public func hash(at height: UInt32) throws -> String { try text("getblockhash", [height]) }

  /// Makes blocks (regtest), and returns their hashes.
  @discardableResult
  public func mine(_ count: Int, to address: String) throws -> [String] {
    try call("generatetoaddress", [count, address]) as? [String] ?? []
  }

  /// Offers a block, as hexadecimal digits. Throws what the node has against it.
  public func submit(block: String) throws {
    let verdict = try call("submitblock", [block])
    if let objection = verdict as? String { throw Failure(description: objection) }
  }

  /// Waits until the filters of its whole chain are there: they are made behind its back.
  public func waitForFilters() throws {
    let end = Date(timeIntervalSinceNow: 60)
    while Date() < end {
      let indices = try call("getindexinfo") as? [String: [String: Any]]
      guard let index = indices?["basic block filter index"] else { return }
      let best = (index["best_block_height"] as? NSNumber)?.uint32Value
      if index["synced"] as? Bool == true, best == (try height) { return }
      Thread.sleep(forTimeInterval: 0.02)
    }
    throw Failure(description: "the filters are never complete")
  }
}

/// A blocking TCP socket, as much of it as a call needs.
private final class LoopbackSocket {
  private let descriptor: Int32

  init() throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    if descriptor < 0 { throw LoopbackSocket.failure("socket") }
  }

  deinit { close(descriptor) }

  private static func failure(_ operation: String) -> BitcoinNode.Failure {
    BitcoinNode.Failure(description: "\(operation): \(String(cString: strerror(errno)))")
  }

  private static func loopback(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return address
  }

  private func with(
    _ address: inout sockaddr_in, _ body: (UnsafeMutablePointer<sockaddr>) -> Int32
  ) -> Int32 {
    withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0) }
    }
  }

  func bindAnywhere() throws -> UInt16 {
    var address = LoopbackSocket.loopback(0)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    if with(&address, { bind(descriptor, $0, size) }) != 0 {
      throw LoopbackSocket.failure("bind")
    }
    _ = with(&address) { getsockname(descriptor, $0, &size) }
    return UInt16(bigEndian: address.sin_port)
  }

  func connect(_ port: UInt16) throws {
    var address = LoopbackSocket.loopback(port)
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    if with(&address, { Glibc.connect(descriptor, $0, size) }) != 0 {
      throw LoopbackSocket.failure("connect")
    }
  }

  /// Sends all, then reads until the other end closes.
  func exchange(_ request: Data) throws -> Data {
    var sent = 0
    while sent < request.count {
      let count = request.withUnsafeBytes {
        send(descriptor, $0.baseAddress! + sent, request.count - sent, Int32(MSG_NOSIGNAL))
      }
      if count <= 0 { throw LoopbackSocket.failure("send") }
      sent += count
    }
    var answer = Data()
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count < 0 { throw LoopbackSocket.failure("receive") }
      if count == 0 { return answer }
      answer.append(contentsOf: buffer[0..<count])
    }
  }
}
