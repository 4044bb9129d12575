#include "trial.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>

#include "rejoin/crdt/assert.h"

namespace rejoin::simulation {

namespace {

// Exit codes of a child that did not die: this one, and those from the next on, one a promise.
constexpr int passed = 64;
constexpr std::size_t last_words_max = 64 << 10;

// Memory that parent and child both see.
class SharedPlace {
 public:
  SharedPlace()
      : memory_(::mmap(nullptr, sizeof(RunPlace), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    REJOIN_ASSERT(memory_ != MAP_FAILED);
    place_ = new (memory_) RunPlace();
  }
  SharedPlace(const SharedPlace&) = delete;
  SharedPlace& operator=(const SharedPlace&) = delete;
  ~SharedPlace() { ::munmap(memory_, sizeof(RunPlace)); }
  RunPlace* get() const { return place_; }

 private:
  void* memory_;
  RunPlace* place_;
};

[[noreturn]] void run_in_child(const Scenario& scenario, RunOptions options, RunPlace* place,
                               int words) {
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) std::signal(signal, SIG_DFL);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::dup2(words, STDERR_FILENO);
  options.trace = nullptr;
  options.recording = nullptr;
  options.place = place;
  const RunResult result = run(scenario, options);
  ::_exit(result.promise ? passed + 1 + static_cast<int>(*result.promise) : passed);
}

// All that is said until the other end is closed, or as much of it as is kept.
std::string read_all(int from) {
  std::string text;
  char buffer[4096];
  while (true) {
    const ssize_t length = ::read(from, buffer, sizeof buffer);
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) return text;
    if (text.size() < last_words_max) text.append(buffer, static_cast<std::size_t>(length));
  }
}

// What tells why: an assertion's line, or the first that was said at all.
std::string reason_in(const std::string& text) {
  std::string first;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    for (const char* telling : {"assertion", "ERROR: "}) {
      if (line.find(telling) != std::string::npos) return line;
    }
    if (first.empty()) first = line;
  }
  return first;
}

}  // namespace

Trial::Trial(const Scenario& scenario, const RunOptions& options)
    : scenario_(scenario), options_(options) {
  const SharedPlace place;
  int words[2];
  REJOIN_ASSERT(::pipe(words) == 0);
  const pid_t child = ::fork();
  REJOIN_ASSERT(child >= 0);
  if (child == 0) {
    ::close(words[0]);
    run_in_child(scenario, options, place.get(), words[1]);
  }
  ::close(words[1]);
  const std::string said = read_all(words[0]);
  ::close(words[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (code == passed) return;
  if (code > passed && code <= passed + promises) {
    promise_ = static_cast<Promise>(code - passed - 1);
    return;
  }
  promise_ = Promise::survival;
  place_ = *place.get();
  last_words_ = WIFSIGNALED(status) ? ::strsignal(WTERMSIG(status))
                                    : "it exits with code " + std::to_string(code);
  if (const std::string reason = reason_in(said); !reason.empty()) {
    last_words_ = reason + " (" + last_words_ + ')';
  }
}

RunResult Trial::result() const {
  if (promise_ != Promise::survival) return run(scenario_, options_);
  RunOptions until_then = options_;
  until_then.steps = place_.step - 1;
  RunResult result;
  if (place_.step > 0) result = run(scenario_, until_then);
  result.seed = options_.seed;
  result.ok = false;
  result.promise = Promise::survival;
  result.failure = "the process dies: " + last_words_;
  result.failed_at = place_.now;
  result.steps = place_.step;
  if (result.client_steps.size() < place_.client_steps) {
    result.client_steps.push_back(place_.last_client_step);
  }
  return result;
}

RunResult run_apart(const Scenario& scenario, const RunOptions& options) {
  return Trial(scenario, options).result();
}

}  // namespace rejoin::simulation
