import Bundles
import Bytes
import Hiring
import Host
import Market

/// Creates a map's tasks from its arguments, limited to what providers can soon run.
final class ArgumentFeeder {
  /// A task that is ready to be added.
  struct Ready {
    var argument: String
    var spec: TaskSpec
    /// The task's own bundle.
    var input: BundleRef?
  }

  private let options: MapOptions
  private let template: TaskTemplate
  private let share: ShareLimits
  private let base: CheckedBundle
  private let store: BundleStore
  private let reader: ArgumentReader?
  /// The arguments of restored tasks; they are skipped.
  private let known: [[[UInt8]]]
  private var count: UInt32 = 0
  private var packing: (argument: String, packer: InputPacker)?

  /// - Parameters:
  ///   - base: the checked sizes of what all tasks share.
  ///   - known: the arguments of restored tasks, in order.
  init(
    _ options: RunOptions, _ map: MapOptions, share: ShareLimits, base: CheckedBundle,
    store: BundleStore, reader: ArgumentReader?, known: [[[UInt8]]]
  ) {
    self.options = map
    template = options.tasks
    self.share = share
    self.base = base.sizes
    self.store = store
    self.reader = reader
    self.known = known
  }

  /// Whether all arguments were read and used.
  var hasEnded: Bool {
    guard let reader else { return true }
    return reader.hasEnded && !reader.hasLine && packing == nil
  }

  /// Whether ``next(untilMs:)`` can proceed without reading more arguments.
  var hasWork: Bool { packing != nil || reader?.hasLine == true }

  /// The descriptor to watch for reading while ``hasWork`` is false; nil at the end.
  var fd: Int32? { reader?.hasEnded == false ? reader?.fd : nil }

  func read() throws(RunError) { try reader?.read() }

  /// The next new task; nil if none is ready in time.
  func next(untilMs: UInt64) throws(RunError) -> Ready? {
    while hasWork {
      if packing == nil {
        guard let argument = try reader?.next() else { return nil }
        if Int(count) < known.count {
          try pass(argument)
          continue
        }
        guard let pattern = options.taskInput else { return try ready(argument, input: nil) }
        do throws(BundlesError) {
          packing = (argument, try InputPacker(TaskArgument.fill(pattern, with: argument)))
        } catch { throw .bundles(error) }
      }
      guard let (argument, packer) = packing else { continue }
      let bundle: [UInt8]?
      do throws(BundlesError) { bundle = try packer.step(untilMs: untilMs) } catch {
        throw .bundles(error)
      }
      guard let bundle else { return nil }
      packing = nil
      return try ready(argument, input: try keep(bundle, packer.path))
    }
    return nil
  }

  /// Skips a restored task's argument and checks that it creates the same task.
  private func pass(_ argument: String) throws(RunError) {
    let words = TaskArgument.fill(template.command, with: argument).map { Array($0.utf8) }
    if words != known[Int(count)] {
      throw .usage(
        "argument \(count) differs from the interrupted run: `\(argument)`; --new starts a new run")
    }
    count += 1
  }

  private func keep(_ bundle: [UInt8], _ path: String) throws(RunError) -> BundleRef {
    do throws(BundlesError) {
      try BundleCheck.check(
        bundle, name: path, diskMiB: template.diskMiB, memoryMiB: template.memoryMiB, on: base)
    } catch { throw .bundles(error) }
    do throws(HostError) { return try store.add(bundle) } catch { throw .host(error) }
  }

  private func ready(_ argument: String, input: BundleRef?) throws(RunError) -> Ready {
    let spec = template.spec(task: count, argument: argument, input: input)
    if let problem = spec.problem(in: share) { throw .usage("task \(count): \(problem)") }
    count += 1
    return Ready(argument: argument, spec: spec, input: input)
  }
}
