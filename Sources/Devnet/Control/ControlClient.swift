import Foundation
import Host

/// Sends requests to the node that runs on a data folder.
public enum ControlClient {
  /// Time limit for an answer: mining many blocks takes long.
  private static let answerMs: UInt64 = 120_000

  /// Sends one request and waits for its answer. Throws ``DevnetError/control(_:)`` with the node's
  /// message if it refuses.
  public static func ask(
    _ request: ControlRequest, directory: String
  ) throws(DevnetError) -> ControlResponse {
    let path = DevnetOptions.controlPath(directory: directory)
    guard var line = try? Array(JSONEncoder().encode(request)) else {
      throw DevnetError.badArgument("the request cannot be written as JSON")
    }
    line.append(0x0a)
    let answer = try exchange(line, path: path)
    guard let response = try? JSONDecoder().decode(ControlResponse.self, from: Data(answer)) else {
      throw DevnetError.control("\(path): the answer is malformed")
    }
    if let error = response.error { throw DevnetError.control(error) }
    return response
  }

  private static func exchange(_ line: [UInt8], path: String) throws(DevnetError) -> [UInt8] {
    let reactor = Reactor()
    let id = reactor.connect(to: .unix(path: path))
    reactor.send(id, line)
    let untilMs = Clock.monotonicMs() + answerMs
    var answer: [UInt8] = []
    while true {
      let event = try hosting { () throws(HostError) in try reactor.next(untilMs: untilMs) }
      switch event {
      case .received(_, let bytes):
        answer += bytes
        if answer.last == 0x0a { return answer }
      case .closed(_, let reason):
        throw DevnetError.control(
          "\(reason.message) (is `zennet devnet run` running on this folder?)")
      case nil: throw DevnetError.control("\(path): no answer within two minutes")
      default: break
      }
    }
  }
}
