import Foundation

/// How many files and connections this program may have open.
enum OpenFiles {
  /// Raises the limit, as far as the system lets it, where a run has many workers. Linux gives 1024 by
  /// default, and select(2) alone is why: nothing here uses it.
  static func allow(_ count: Int) {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    if limit.rlim_cur >= rlim_t(count) { return }
    limit.rlim_cur = min(rlim_t(count), limit.rlim_max)
    _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }
}
