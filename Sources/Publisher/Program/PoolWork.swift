import Bundles
import Bytes
import Hiring
import Host
import Market

/// Adds a run's tasks to its pool: for a new or a resumed run, at once or as a map's arguments
/// arrive.
final class PoolWork {
  /// How many unfinished tasks a map adds: per worker, and at least.
  private static let aheadPerWorker: UInt64 = 64
  private static let leastAhead: UInt64 = 256
  /// The longest time to create tasks per event, in ms.
  private static let feedMs: UInt64 = 20

  private let folder: RunFolder
  private let machine: HiringMachine
  private let request: RunRequest
  private let bundles: BundleStore
  private let desk: TaskDesk
  private let presenter: MapPresenter?
  private let timeline: Timeline
  /// Nil before the start.
  private(set) var pool: Bytes32?
  /// A map's arguments; nil once no more are needed.
  private var feeder: ArgumentFeeder?
  private(set) var addedTasks: UInt64 = 0
  /// Unix time in seconds; 0 before the start.
  private(set) var startedUnixSeconds: UInt64 = 0
  /// Own bundles of unfinished tasks.
  private var inputs: [UInt32: Bytes32] = [:]
  /// Restored tasks of an incomplete run.
  private var restoredTasks: [[[UInt8]]]?
  /// Why no further tasks were created.
  private(set) var problem: RunError?

  init(
    _ folder: RunFolder, _ machine: HiringMachine, _ request: RunRequest, _ bundles: BundleStore,
    _ desk: TaskDesk, _ presenter: MapPresenter?, _ timeline: Timeline
  ) {
    self.folder = folder
    self.machine = machine
    self.request = request
    self.bundles = bundles
    self.desk = desk
    self.presenter = presenter
    self.timeline = timeline
  }

  private var options: RunOptions { request.options }
  private var share: ShareLimits { request.offer.share }

  /// The run's folder.
  var path: String? { pool.map { folder.folder($0) } }

  private func use(_ pool: Bytes32) throws(RunError) {
    self.pool = pool
    let path = folder.folder(pool)
    do throws(HostError) { try bundles.use(RunFolder.bundles(in: path)) } catch {
      throw .host(error)
    }
    desk.use(path)
    presenter?.use(path)
  }

  // MARK: Starting a run

  /// Adds the pool and its known tasks to the state machine. Bundles and options are on disk first.
  /// - Parameter listen: the address where workers call; a resumed run listens there again.
  func begin(_ plan: PoolPlan, listen: String, _ now: Instant) throws(RunError) {
    try restoreProviders()
    let pool = machine.addPool(plan, now)
    startedUnixSeconds = now.unixSeconds
    try use(pool)
    var kept = options
    kept.listen = listen
    try folder.replace(kept, of: pool)
    for bundle in request.bundles {
      do throws(HostError) { _ = try bundles.add(bundle) } catch { throw .host(error) }
    }
    try addTasks(known: [], now)
  }

  /// Adds a run's tasks, or starts to read a map's arguments.
  private func addTasks(known: [[[UInt8]]], _ now: Instant) throws(RunError) {
    guard let pool else { return }
    addedTasks = UInt64(known.count)
    if let map = options.map {
      let reader = request.readsArguments ? try ArgumentReader(map.arguments) : nil
      if reader == nil {
        timeline.tell("no more arguments can be read from \(map.arguments)", level: 1)
      }
      feeder = ArgumentFeeder(
        options, map, share: share, base: try checkedBase(), store: bundles, reader: reader,
        known: known)
      return
    }
    let workers = request.offer.workers
    for worker in UInt16(min(known.count, Int(workers)))..<workers {
      let spec = options.tasks.spec(
        worker: worker, of: workers, hasInput: request.forwardsInput)
      if let problem = spec.problem(in: share) { throw .usage(problem) }
      _ = machine.addTask(spec, to: pool, now)
      addedTasks += 1
    }
    machine.noMoreTasks(pool, now)
  }

  /// The checked base of the tasks' own files; checked again for a resumed run.
  private func checkedBase() throws(RunError) -> CheckedBundle {
    if request.former == nil { return request.base }
    var base = CheckedBundle()
    for ref in options.tasks.bundles.compactMap(\.ref) {
      guard let bytes = bundles.read(ref.digest, offset: 0, count: Int(ref.sizeBytes)) else {
        throw .damaged("bundle \(ref.digest.hex) of the run is missing")
      }
      do throws(BundlesError) {
        base = try BundleCheck.check(
          bytes, name: ref.digest.hex, diskMiB: options.tasks.diskMiB,
          memoryMiB: options.tasks.memoryMiB, on: base)
      } catch { throw .bundles(error) }
    }
    return base
  }

  // MARK: Resuming a run

  /// Restores a run. Call it before the state machine starts.
  func restore(_ former: PoolRecord, _ now: Instant) throws(RunError) {
    let ledger = folder.ledger
    startedUnixSeconds = former.startedUnixSeconds
    try use(former.id)
    try restoreProviders()
    machine.restored(pool: former, now)
    let leases = try ledger.leases(of: former.id)
    var places: [Bytes32: UInt16] = [:]
    for lease in leases { places[lease.contract.id] = lease.contract.workerIndex }
    var known: [[[UInt8]]] = []
    try ledger.forEachTask(of: former.id) { (index, record) throws(RunError) in
      let task = TaskId(pool: former.id, index: index)
      let bytes = record.encode()
      try restoring { () throws(HiringError) in try machine.restored(task: task, bytes) }
      known.append(record.spec.arguments)
      presenter?.added(index, argument: TaskTemplate.argument(of: record.spec))
      if let outcome = record.outcome {
        desk.restored(index, outcome, worker: record.state.lease.flatMap { places[$0] })
      }
    }
    for lease in leases {
      try restoring { () throws(HiringError) in
        try machine.restored(
          lease: lease.record.encode(), state: lease.progress?.encode(), channels: lease.channels,
          now)
      }
    }
    addedTasks = UInt64(known.count)
    if !former.isComplete && !former.isStopping { restoredTasks = known }
  }

  /// Adds the remaining tasks. Call it after the state machine started.
  func goOn(_ now: Instant) throws(RunError) {
    guard let known = restoredTasks else { return }
    restoredTasks = nil
    try addTasks(known: known, now)
  }

  /// Restores the provider book of earlier runs.
  private func restoreProviders() throws(RunError) {
    guard let book = try folder.ledger.providers() else { return }
    try restoring { () throws(HiringError) in try machine.restored(providers: book) }
  }

  private func restoring(_ body: () throws(HiringError) -> Void) throws(RunError) {
    do throws(HiringError) { try body() } catch { throw .damaged(error.message) }
  }

  // MARK: A map's arguments

  private var hasRoom: Bool {
    let workers = UInt64(request.offer.workers)
    let most = max(PoolWork.leastAhead, workers * PoolWork.aheadPerWorker)
    return addedTasks < desk.tally.ended + most
  }

  /// Whether ``feed(_:)`` can proceed without reading.
  var hasWork: Bool { feeder.map { ($0.hasWork || $0.hasEnded) && hasRoom } ?? false }

  /// The descriptor to watch for reading; nil while no arguments are needed.
  var fd: Int32? {
    guard let feeder, !feeder.hasWork, hasRoom else { return nil }
    return feeder.fd
  }

  /// ``fd`` is readable.
  func read() {
    do throws(RunError) { try feeder?.read() } catch { problem = problem ?? error }
  }

  /// Creates tasks while there is room. An invalid argument ends the creation; existing tasks
  /// continue.
  func feed(_ now: Instant) {
    guard let feeder, let pool else { return }
    let untilMs = Clock.monotonicMs() + PoolWork.feedMs
    do throws(RunError) {
      while problem == nil, hasRoom, Clock.monotonicMs() < untilMs,
        let ready = try feeder.next(untilMs: untilMs)
      {
        let index = machine.addTask(ready.spec, to: pool, now)
        presenter?.added(index, argument: ready.argument)
        if let input = ready.input { inputs[index] = input.digest }
        addedTasks += 1
      }
    } catch { problem = error }
    if let problem { timeline.tell("no more tasks: " + problem.message, level: 0) }
    if problem != nil || feeder.hasEnded {
      machine.noMoreTasks(pool, now)
      self.feeder = nil
    }
  }

  /// Removes an ended task's own bundle.
  func ended(_ task: UInt32) throws(RunError) {
    guard let digest = inputs.removeValue(forKey: task) else { return }
    do throws(HostError) { try bundles.drop(digest) } catch { throw .host(error) }
  }

  /// Stops the pool: no more tasks are created, existing ones end.
  func stop(_ now: Instant) {
    feeder = nil
    restoredTasks = nil
    if let pool { machine.stop(pool: pool, now) }
  }
}
