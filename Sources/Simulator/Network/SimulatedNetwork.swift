import Bytes

/// A seeded network of endpoints that exchange opaque bytes over connections like TCP's: in order,
/// or not at all. It has its own clock; it never waits for real time.
///
/// The same seed gives the same run, as long as the endpoints are deterministic too.
public final class SimulatedNetwork {
  /// A party. Numbers are assigned in the order of ``add(_:)``.
  public typealias EndpointId = Int
  /// A connection; both ends use the same number.
  public typealias LinkId = UInt32

  private enum Event {
    case dialled(from: EndpointId, to: EndpointId, token: UInt64)
    case delivered(LinkId, to: EndpointId, [UInt8])
    case closed(LinkId, to: EndpointId)
    case timer(EndpointId, atMs: UInt64)
    case planned((SimulatedNetwork) -> Void)
  }

  private struct Link {
    let ends: (EndpointId, EndpointId)
    /// When the last byte sent in each direction arrives: later ones do not overtake it.
    var busyUntilMs: (UInt64, UInt64) = (0, 0)
    var isBlackHole = false
  }

  public private(set) var nowMs: UInt64 = 1_000
  /// Seconds since 1970 at time zero of `nowMs`.
  public var epochSeconds: UInt64
  public var unixSeconds: UInt64 { epochSeconds + nowMs / 1000 }
  public var faults: FaultOptions
  public private(set) var random: SimulatorRandom
  /// The number of events so far, to detect live-lock.
  public private(set) var steps = 0
  public private(set) var bytesDelivered = 0

  private var queue = EventQueue<Event>()
  private var endpoints: [any SimulatedEndpoint] = []
  private var links: [LinkId: Link] = [:]
  private var nextLink: LinkId = 1
  private var timers: [EndpointId: UInt64] = [:]
  /// Endpoints in different groups cannot reach each other; all are in group 0 at first.
  private var groups: [EndpointId: Int] = [:]

  public init(seed: UInt64, faults: FaultOptions = FaultOptions(), epochSeconds: UInt64) {
    self.random = SimulatorRandom(seed: seed)
    self.faults = faults
    self.epochSeconds = epochSeconds
  }

  @discardableResult
  public func add(_ endpoint: any SimulatedEndpoint) -> EndpointId {
    endpoints.append(endpoint)
    return endpoints.count - 1
  }

  // MARK: Operations of endpoints

  /// A random number below `bound`.
  public func draw(below bound: UInt64) -> UInt64 { random.below(bound) }

  /// Tries to connect; the answer is `connected` or `dialFailed`, with the same `token`.
  public func dial(_ to: EndpointId, from: EndpointId, token: UInt64 = 0) {
    queue.push(.dialled(from: from, to: to, token: token), atMs: nowMs + delay())
  }

  public func send(_ bytes: [UInt8], over link: LinkId, from: EndpointId) {
    guard let state = links[link], !bytes.isEmpty else { return }
    let to = state.ends.0 == from ? state.ends.1 : state.ends.0
    if random.chance(faults.disconnect) {
      reset(link)
      return
    }
    if random.chance(faults.blackHole) { links[link]?.isBlackHole = true }
    if links[link]?.isBlackHole == true || !isReachable(from, to) { return }
    if bytes.count > 1 && random.chance(faults.split) {
      let cut = 1 + Int(random.below(UInt64(bytes.count - 1)))
      plan(Array(bytes[0..<cut]), link, from: from, to: to)
      plan(Array(bytes[cut...]), link, from: from, to: to)
    } else {
      plan(bytes, link, from: from, to: to)
    }
  }

  private func plan(_ bytes: [UInt8], _ link: LinkId, from: EndpointId, to: EndpointId) {
    guard var state = links[link] else { return }
    let isFirst = state.ends.0 == from
    let atMs = max(nowMs + delay(), isFirst ? state.busyUntilMs.0 : state.busyUntilMs.1)
    if isFirst { state.busyUntilMs.0 = atMs } else { state.busyUntilMs.1 = atMs }
    links[link] = state
    queue.push(.delivered(link, to: to, bytes), atMs: atMs)
  }

  /// The other end is notified later; bytes in flight still arrive before that.
  public func close(_ link: LinkId, from: EndpointId) {
    guard let state = links.removeValue(forKey: link) else { return }
    let to = state.ends.0 == from ? state.ends.1 : state.ends.0
    queue.push(.closed(link, to: to), atMs: nowMs + delay())
  }

  /// Sets the endpoint's only timer; a new one replaces it.
  public func setTimer(atMs: UInt64, for endpoint: EndpointId) {
    timers[endpoint] = atMs
    queue.push(.timer(endpoint, atMs: atMs), atMs: max(atMs, nowMs))
  }

  // MARK: Operations of the scenario

  /// Runs `action` at a time of the simulation.
  public func plan(atMs: UInt64, _ action: @escaping (SimulatedNetwork) -> Void) {
    queue.push(.planned(action), atMs: max(atMs, nowMs))
  }

  /// Separates `endpoint` from every endpoint of another group. Connections between them go silent.
  public func partition(_ endpoint: EndpointId, into group: Int) { groups[endpoint] = group }

  public func healPartitions() { groups = [:] }

  /// Both ends lose the connection.
  public func reset(_ link: LinkId) {
    guard let state = links.removeValue(forKey: link) else { return }
    queue.push(.closed(link, to: state.ends.0), atMs: nowMs + delay())
    queue.push(.closed(link, to: state.ends.1), atMs: nowMs + delay())
  }

  public var openLinks: [LinkId] { links.keys.sorted() }

  /// Connections of one endpoint, for a scenario that closes them all.
  public func links(of endpoint: EndpointId) -> [LinkId] {
    openLinks.filter { id in
      guard let link = links[id] else { return false }
      return link.ends.0 == endpoint || link.ends.1 == endpoint
    }
  }

  /// Processes all events before `untilMs`, or until `isDone`. False if it stopped after `maxSteps`
  /// events.
  @discardableResult
  public func run(
    untilMs: UInt64, maxSteps: Int = .max, isDone: () -> Bool = { false }
  ) -> Bool {
    let lastStep = maxSteps == .max ? Int.max : steps + maxSteps
    while let next = queue.nextMs, next <= untilMs {
      if steps >= lastStep { return false }
      guard let (atMs, event) = queue.pop() else { break }
      nowMs = max(nowMs, atMs)
      steps += 1
      handle(event)
      if isDone() { return true }
    }
    if !isDone() { nowMs = max(nowMs, untilMs) }
    return true
  }

  private func handle(_ event: Event) {
    switch event {
    case .dialled(let from, let to, let token):
      if to < 0 || to >= endpoints.count || !isReachable(from, to)
        || random.chance(faults.dialFailure) || !endpoints[to].accepts
      {
        endpoints[from].dialFailed(token: token, self)
        return
      }
      let link = nextLink
      nextLink += 1
      links[link] = Link(ends: (from, to))
      endpoints[to].accepted(link, self)
      endpoints[from].connected(link, token: token, self)
    case .delivered(let link, let to, let bytes):
      // After a close by the other end, bytes that it sent before still arrive.
      bytesDelivered += bytes.count
      endpoints[to].received(bytes, over: link, self)
    case .closed(let link, let to): endpoints[to].closed(link, self)
    case .timer(let endpoint, let atMs):
      if timers[endpoint] != atMs { return }
      timers[endpoint] = nil
      endpoints[endpoint].timerFired(self)
    case .planned(let action): action(self)
    }
  }

  private func isReachable(_ left: EndpointId, _ right: EndpointId) -> Bool {
    groups[left, default: 0] == groups[right, default: 0]
  }

  private func delay() -> UInt64 {
    faults.minDelayMs + random.below(faults.maxDelayMs - faults.minDelayMs + 1)
  }
}

/// A party of a ``SimulatedNetwork``. Calls come one at a time; each may use the network.
public protocol SimulatedEndpoint: AnyObject {
  /// Whether it listens.
  var accepts: Bool { get }
  func connected(_ link: SimulatedNetwork.LinkId, token: UInt64, _ network: SimulatedNetwork)
  func accepted(_ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork)
  func dialFailed(token: UInt64, _ network: SimulatedNetwork)
  func received(
    _ bytes: [UInt8], over link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork)
  func closed(_ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork)
  func timerFired(_ network: SimulatedNetwork)
}
