import Bundles
import Bytes
import Hiring
import Host
import Market

/// The tasks of a run on their way to its machines: begun anew or taken up, at once or as a map's arguments
/// come.
final class PoolWork {
  /// A map has so many tasks ahead for each worker, and so many at least.
  private static let aheadPerWorker: UInt64 = 64
  private static let leastAhead: UInt64 = 256
  /// How long making tasks may take at once: there is more to do.
  private static let feedMs: UInt64 = 20

  private let folder: RunFolder
  private let machine: HiringMachine
  private let request: RunRequest
  private let bundles: BundleStore
  private let desk: TaskDesk
  private let presenter: MapPresenter?
  private let timeline: Timeline
  /// Nil until it is begun.
  private(set) var pool: Bytes32?
  /// A map's arguments; nil where no more are wanted.
  private var feeder: ArgumentFeeder?
  private(set) var addedTasks: UInt64 = 0
  /// Seconds since 1970; 0 before.
  private(set) var startedUnixSeconds: UInt64 = 0
  /// Bundles of one task each, of tasks that are not over.
  private var inputs: [UInt32: Bytes32] = [:]
  /// Tasks of a run that is taken up, to which more are to be added.
  private var restoredTasks: [[[UInt8]]]?
  /// Why no more tasks were made.
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

  /// Where the run is kept.
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

  // MARK: A new run

  /// Adds the pool to the machine, and the tasks that are known; what they need is on the disk before.
  /// - Parameter listen: where workers call, as whoever takes the run up has to listen there again.
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

  /// Those of a run, or the source of those of a map.
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

  /// What a task's own files lie on. Of a run that is taken up it is looked at again.
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

  // MARK: Taking up a run

  /// Call before the machine is started.
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

  /// The machine was started.
  func goOn(_ now: Instant) throws(RunError) {
    guard let known = restoredTasks else { return }
    restoredTasks = nil
    try addTasks(known: known, now)
  }

  /// What earlier runs learned of providers: debts, and who is not hired again.
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

  /// Whether ``feed(_:)`` can go on at once.
  var hasWork: Bool { feeder.map { ($0.hasWork || $0.hasEnded) && hasRoom } ?? false }

  /// What to watch for reading; nil while nothing more is wanted.
  var fd: Int32? {
    guard let feeder, !feeder.hasWork, hasRoom else { return nil }
    return feeder.fd
  }

  /// ``fd`` can be read.
  func read() {
    do throws(RunError) { try feeder?.read() } catch { problem = problem ?? error }
  }

  /// Makes tasks while there is room. Arguments that make no task end the making; tasks that were made go
  /// on.
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

  /// A task is over: what it alone needed goes.
  func ended(_ task: UInt32) throws(RunError) {
    guard let digest = inputs.removeValue(forKey: task) else { return }
    do throws(HostError) { try bundles.drop(digest) } catch { throw .host(error) }
  }

  /// No more tasks, and those that are there end.
  func stop(_ now: Instant) {
    feeder = nil
    restoredTasks = nil
    if let pool { machine.stop(pool: pool, now) }
  }
}
