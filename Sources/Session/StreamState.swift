import Bytes

/// One open stream at one end.
struct StreamState {
  let id: StreamId
  let isMine: Bool
  /// As its opener announced it.
  let opening: StreamOpening

  /// Accepted from the level above, not sent yet.
  var queue = ByteQueue()
  /// What this end may still send.
  var sendCredit = 0
  /// What the peer may still send.
  var receiveCredit = 0
  /// Granted, not told to the peer yet.
  var pendingGrant = 0

  var openPending = false
  /// How many control messages were queued before it was opened.
  var followsControls: UInt64 = 0
  var resetPending = false
  var endRequested = false
  var endSent = false
  var endReceived = false
  /// The level above was refused a part of what it sent.
  var wantsRoom = false

  var sentBytes: UInt64 = 0
  var receivedBytes: UInt64 = 0

  init(id: StreamId, isMine: Bool, opening: StreamOpening) {
    self.id = id
    self.isMine = isMine
    self.opening = opening
  }

  /// More credit than this on one stream is an attempt to overflow something.
  static let creditCeiling: UInt32 = 1 << 30

  var isFinished: Bool { endSent && endReceived }

  /// The opening that would go on from here, were this end to open.
  var current: StreamOpening {
    var now = opening
    if isMine {
      now.sendOffset = opening.sendOffset &+ sentBytes
      now.receiveOffset = opening.receiveOffset &+ receivedBytes
    } else {
      now.sendOffset = opening.receiveOffset &+ sentBytes
      now.receiveOffset = opening.sendOffset &+ receivedBytes
    }
    return now
  }

  /// Something of this stream can be sent now.
  var isSendable: Bool {
    if openPending || resetPending || endSent { return false }
    return queue.isEmpty ? endRequested : sendCredit > 0
  }
}
