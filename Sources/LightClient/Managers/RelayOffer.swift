import Bitcoin
import Bytes

/// A transaction of the client's own: which peers it was announced to, and which have
/// it.
///
/// A peer that lacks it asks for it, with `getdata`. One that has it from elsewhere never asks, so
/// every peer is asked for it too. Bitcoin Core answers `notfound` to an inbound peer until it has
/// had its next turn to announce transactions to that peer (5 seconds in the mean), so the question
/// is repeated, after twice the time each time.
struct RelayOffer {
  static let firstRetryMs: UInt64 = 1_000
  /// Questions to one peer, after its connection and after it fetched the transaction: two minutes
  /// of them.
  static let maxQuestions = 8
  /// Peers that have gone and have the transaction, remembered so that they count.
  static let maxGone = 8

  private struct Contact {
    /// Its connection; nil when it has gone.
    var peer: PeerId?
    let address: PeerAddress
    var isAnnounced = false
    /// It asked for the transaction.
    var hasFetched = false
    /// It gave the transaction when it was last asked for it.
    var hasReturned = false
    /// It gave the transaction, or fetched it and then answered a later message: what was sent
    /// has arrived.
    var hasTaken = false
    /// Questions since its connection, since it fetched the transaction, or since ``askAgain()``.
    var questions = 0
    var nextQuestionMs: UInt64 = 0
    /// Answers that it still owes, and how many of them to questions from before it fetched.
    var owed = 0
    var owedFromBefore = 0

    init(_ peer: Peer) {
      self.peer = peer.id
      address = peer.address
    }

    var asksMore: Bool { !hasReturned && questions < RelayOffer.maxQuestions }
  }

  /// By address: a node that connects again is one node.
  private var contacts: [Contact] = []
  /// When it is announced again to every peer.
  private(set) var repeatAtMs: UInt64 = 0
  /// What ``LightClientEvent/transactionRelayed(txid:peers:)`` told last.
  private var told = RelayState()

  // MARK: What is to be sent

  /// Nobody has it, and everybody is told of it: it was in a block, and is no more.
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

  /// What this peer is to be sent now: the announcement, the question, both or neither.
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

  /// A peer that was connected before: what it owed was lost with the connection.
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

  // MARK: What peers say

  /// The peer asks for the transaction, which is sent to it behind this.
  mutating func fetched(by peer: Peer) {
    let index = place(peer)
    if contacts[index].hasFetched { return }
    contacts[index].hasFetched = true
    contacts[index].owedFromBefore = contacts[index].owed
    contacts[index].questions = 0
    contacts[index].nextQuestionMs = 0
  }

  /// The peer answers a question with the transaction. False where it was not asked.
  mutating func returned(by id: PeerId) -> Bool {
    guard let index = index(of: id), answered(index) else { return false }
    contacts[index].hasReturned = true
    contacts[index].hasTaken = true
    return true
  }

  /// The peer answers that it has no such transaction, or not yet. False where it was not asked.
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

  /// The connection ended. Who has the transaction is remembered, the newest of them.
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

  /// Every peer is asked again, from the first question on.
  mutating func askAgain() {
    for index in contacts.indices {
      contacts[index].hasReturned = false
      contacts[index].questions = 0
      contacts[index].nextQuestionMs = 0
    }
    told.returnedBy = 0
  }

  // MARK: What is known

  var state: RelayState {
    var state = RelayState()
    for contact in contacts {
      if contact.hasFetched { state.fetchedBy += 1 }
      if contact.hasReturned { state.returnedBy += 1 }
      if contact.hasTaken { state.takenBy += 1 }
    }
    return state
  }

  /// How many peers have it, where that is enough and one more has it, or has returned it.
  mutating func news(neededPeers: Int) -> Int? {
    let state = state
    let isNew = state.takenBy > told.takenBy || state.returnedBy > told.returnedBy
    if state.takenBy < neededPeers || !isNew { return nil }
    told = state
    return state.takenBy
  }

  /// When the peer is next to be asked; nil where it is not.
  func nextQuestionMs(_ id: PeerId) -> UInt64? {
    guard let index = index(of: id), contacts[index].asksMore else { return nil }
    return contacts[index].nextQuestionMs
  }
}
