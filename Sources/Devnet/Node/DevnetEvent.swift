import Bytes
import Foundation

/// An event of a node, for its observer.
public enum DevnetEvent: Equatable, Sendable {
  case listening(port: UInt16, directory: String)
  case blockConnected(hash: Bytes32, height: UInt32, transactions: Int)
  case blockDisconnected(hash: Bytes32, height: UInt32)
  case transactionAccepted(txid: Bytes32, feeSat: UInt64, virtualSize: Int)
  case transactionReplaced(txid: Bytes32, by: Bytes32)
  case transactionRejected(txid: Bytes32, reason: String)
  case peerConnected(id: UInt64, address: String)
  case peerReady(id: UInt64, userAgent: String)
  case peerGone(id: UInt64, reason: String)
  case stopped

  /// The event as a line of text.
  public var text: String {
    switch self {
    case .listening(let port, let directory):
      return "listening on 127.0.0.1:\(port), data in \(directory)"
    case .blockConnected(let hash, let height, let count):
      return "block \(height) \(hash.reversed.hex), \(count) transactions"
    case .blockDisconnected(let hash, let height):
      return "block \(height) \(hash.reversed.hex) left the chain"
    case .transactionAccepted(let txid, let fee, let size):
      return "transaction \(txid.reversed.hex), fee \(fee) sat, \(size) vB"
    case .transactionReplaced(let txid, let other):
      return "transaction \(txid.reversed.hex) was replaced by \(other.reversed.hex)"
    case .transactionRejected(let txid, let reason):
      return "transaction \(txid.reversed.hex) rejected: \(reason)"
    case .peerConnected(let id, let address): return "peer \(id) connected from \(address)"
    case .peerReady(let id, let agent): return "peer \(id) is \(agent)"
    case .peerGone(let id, let reason): return "peer \(id) gone: \(reason)"
    case .stopped: return "stopped"
    }
  }

  /// The event as a line of JSON, an object whose `event` names the case.
  public var json: String {
    let data = try? JSONSerialization.data(withJSONObject: fields, options: [.sortedKeys])
    return data.map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }

  private var fields: [String: Any] {
    switch self {
    case .listening(let port, let directory):
      return ["event": "listening", "port": Int(port), "directory": directory]
    case .blockConnected(let hash, let height, let count):
      return [
        "event": "block_connected", "hash": hash.reversed.hex, "height": Int(height),
        "transactions": count,
      ]
    case .blockDisconnected(let hash, let height):
      return ["event": "block_disconnected", "hash": hash.reversed.hex, "height": Int(height)]
    case .transactionAccepted(let txid, let fee, let size):
      return [
        "event": "transaction_accepted", "txid": txid.reversed.hex, "fee_sat": fee,
        "virtual_size": size,
      ]
    case .transactionReplaced(let txid, let other):
      return [
        "event": "transaction_replaced", "txid": txid.reversed.hex, "by": other.reversed.hex,
      ]
    case .transactionRejected(let txid, let reason):
      return ["event": "transaction_rejected", "txid": txid.reversed.hex, "reason": reason]
    case .peerConnected(let id, let address):
      return ["event": "peer_connected", "peer": id, "address": address]
    case .peerReady(let id, let agent):
      return ["event": "peer_ready", "peer": id, "user_agent": agent]
    case .peerGone(let id, let reason):
      return ["event": "peer_gone", "peer": id, "reason": reason]
    case .stopped: return ["event": "stopped"]
    }
  }
}
