import Foundation
import Testing

@testable import Host

/// Turns a reactor until something was seen, or fails the test after a generous while.
func run(
  _ reactor: Reactor, _ isDone: (ReactorEvent) throws -> Bool
) throws {
  let deadlineMs = Clock.monotonicMs() + 30_000
  while let event = try reactor.next(untilMs: deadlineMs) {
    if try isDone(event) { return }
  }
  Issue.record("nothing happened")
}

/// A listener on the loopback and the endpoint to reach it.
func listen(_ reactor: Reactor) throws -> (id: ListenerId, endpoint: Endpoint) {
  let id = try reactor.listen(on: .tcp(host: "127.0.0.1", port: 0))
  let port = try #require(reactor.address(of: id)).port
  return (id, .tcp(host: "127.0.0.1", port: port))
}

/// Two ends of one connection in one reactor.
func pair(_ reactor: Reactor, _ endpoint: Endpoint) throws -> (ConnectionId, ConnectionId) {
  let near = reactor.connect(to: endpoint)
  var far: ConnectionId?
  var isConnected = false
  try run(reactor) { event in
    if case .accepted(_, let id, _) = event { far = id }
    if case .connected(let id, _) = event, id == near { isConnected = true }
    return far != nil && isConnected
  }
  return (near, try #require(far))
}
