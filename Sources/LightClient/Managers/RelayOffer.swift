import Bitcoin
import Bytes

/// An own transaction: which peers it was announced to, and which have it.
///
/// A peer that lacks it requests it with `getdata`. A peer that has it from elsewhere does not, so
/// every peer is asked for it too. Bitcoin Core answers `notfound` to an inbound peer until its
/// next announcement of transactions to that peer (every 5 seconds on average), so the question is
/// repeated, with doubled delays.
struct RelayOffer {
  static let firstRetryMs: UInt64 = 1_000
  /// Most questions to one peer, after it connects and after it fetches the transaction: they take
  /// two minutes.
  static let maxQuestions = 8
  /// Most disconnected peers that have the transaction and still count.
  static let maxGone = 8

  private struct Contact {
    /// Its connection; nil after it ended.
    var peer: PeerId?
    let address: PeerAddress
    var isAnnounced = false
    /// It requested the transaction.
    var hasFetched = false
    /// It returned the transaction when it was last asked.
    var hasReturned = false
    /// It returned the transaction, or fetched it and then answered a later message, which proves
    /// that it arrived.
    var hasTaken = false
    /// Questions since it connected, since it fetched the transaction, or since ``askAgain()``.
    var questions = 0
    var nextQuestionMs: UInt64 = 0
    /// Answers still due, and how many of them are to questions from before it fetched.
    var owed = 0
    var owedFromBefore = 0

    init(_ peer: Peer) {
      self.peer = peer.id
      address = peer.address
    }

    var asksMore: Bool { !hasReturned && questions < RelayOffer.maxQuestions }
  }

  /// By address: a node that reconnects is one node.
  private var contacts: [Contact] = []
  /// When it is announced again to every peer.
  private(set) var repeatAtMs: UInt64 = 0
  /// The last state reported by ``LightClientEvent/transactionRelayed(txid:peers:)``.
  private var told = RelayState()

  // MARK: Messages to send

  /// Restarts the offer to all peers: a reorganisation removed the transaction's block.
  mutating func begin() {
    repeatAtMs = 0
    told = RelayState()
    for index in contacts.indices {
      contacts[index].hasFetched = false
      contacts[index].hasTaken = false
    }
    contacts.removeAll { $0.peer == nil }
    askAgain()
  }

  mutating func announceAgain(nextMs: UInt64) {
    repeatAtMs = nextMs
    for index in contacts.indices { contacts[index].isAnnounced = false }
  }

  /// What to send this peer now: the announcement, the question, both or neither.
  mutating func turn(_ peer: Peer, _ nowMs: UInt64) -> (announces: Bool, asks: Bool) {
    let index = place(peer)
    let announces = !contacts[index].isAnnounced
    contacts[index].isAnnounced = true
    let asks = contacts[index].asksMore && contacts[index].nextQuestionMs <= nowMs
    if asks {
      contacts[index].nextQuestionMs =
        nowMs + RelayOffer.firstRetryMs << UInt64(contacts[index].questions)
      contacts[index].questions += 1
      contacts[index].owed += 1
    }
    return (announces, asks)
  }

  private mutating func place(_ peer: Peer) -> Int {
    if let index = contacts.firstIndex(where: { $0.address == peer.address }) {
      if contacts[index].peer != peer.id { renew(index, peer) }
      return index
    }
    contacts.append(Contact(peer))
    return contacts.count - 1
  }

  /// A peer that was connected before: answers due on the old connection are lost.
  private mutating func renew(_ index: Int, _ peer: Peer) {
    let former = contacts[index]
    contacts[index] = Contact(peer)
    contacts[index].hasFetched = former.hasFetched
    contacts[index].hasReturned = former.hasReturned
    contacts[index].hasTaken = former.hasTaken
  }

  private func index(of id: PeerId) -> Int? {
    contacts.firstIndex { $0.peer == id }
  }

  // MARK: Messages from peers

  /// The peer requests the transaction; the caller sends it next.
  mutating func fetched(by peer: Peer) {
    let index = place(peer)
    if contacts[index].hasFetched { return }
    contacts[index].hasFetched = true
    contacts[index].owedFromBefore = contacts[index].owed
    contacts[index].questions = 0
    contacts[index].nextQuestionMs = 0
  }

  /// The peer answers a question with the transaction. False if it was not asked.
  mutating func returned(by id: PeerId) -> Bool {
    guard let index = index(of: id), answered(index) else { return false }
    contacts[index].hasReturned = true
    contacts[index].hasTaken = true
    return true
  }

  /// The peer answers that it does not have the transaction (yet). False if it was not asked.
  mutating func notFound(by id: PeerId) -> Bool {
    guard let index = index(of: id) else { return false }
    return answered(index)
  }

  private mutating func answered(_ index: Int) -> Bool {
    if contacts[index].owed == 0 { return false }
    contacts[index].owed -= 1
    if contacts[index].owedFromBefore > 0 {
      contacts[index].owedFromBefore -= 1
    } else if contacts[index].hasFetched {
      contacts[index].hasTaken = true
    }
    return true
  }

  /// The connection ended. The newest peers that have the transaction are kept.
  mutating func peerGone(_ id: PeerId) {
    guard let index = index(of: id) else { return }
    var contact = contacts.remove(at: index)
    if !contact.hasTaken { return }
    contact.peer = nil
    contacts.append(contact)
    var goneCount = 0
    for contact in contacts where contact.peer == nil { goneCount += 1 }
    if goneCount > RelayOffer.maxGone,
      let oldest = contacts.firstIndex(where: { $0.peer == nil })
    {
      contacts.remove(at: oldest)
    }
  }

  /// Asks every peer again, from the first question on.
  mutating func askAgain() {
    for index in contacts.indices {
      contacts[index].hasReturned = false
      contacts[index].questions = 0
      contacts[index].nextQuestionMs = 0
    }
    told.returnedBy = 0
  }

  // MARK: Queries

  var state: RelayState {
    var state = RelayState()
    for contact in contacts {
      if contact.hasFetched { state.fetchedBy += 1 }
      if contact.hasReturned { state.returnedBy += 1 }
      if contact.hasTaken { state.takenBy += 1 }
    }
    return state
  }

  /// How many peers have it, if that is enough and one more has it, or has returned it.
  mutating func news(neededPeers: Int) -> Int? {
    let state = state
    let isNew = state.takenBy > told.takenBy || state.returnedBy > told.returnedBy
    if state.takenBy < neededPeers || !isNew { return nil }
    told = state
    return state.takenBy
  }

  /// When the peer is asked next; nil if it is not.
  func nextQuestionMs(_ id: PeerId) -> UInt64? {
    guard let index = index(of: id), contacts[index].asksMore else { return nil }
    return contacts[index].nextQuestionMs
  }
}
