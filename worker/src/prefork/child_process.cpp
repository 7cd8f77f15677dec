#include "child_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <system_error>

namespace umbel::prefork {
namespace {

Error failed_to(const char* what, int error) {
  return unavailable(fmt::format("cannot {} for a task process: {}", what,
                                 std::generic_category().message(error)));
}

struct SocketPair {
  Descriptor ours, theirs;
};

// Their end gets a number above those that it will have over there, so that moving one does not
// close the other.
Result<SocketPair> socket_pair(int type, bool block) {
  int ends[2] = {-1, -1};
  if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) {
    return failed_to("make sockets", errno);
  }
  SocketPair pair{Descriptor{ends[0]}, Descriptor{ends[1]}};
  const int moved = fcntl(pair.theirs.get(), F_DUPFD_CLOEXEC, 10);
  if (moved < 0) return failed_to("move a socket", errno);
  pair.theirs = Descriptor{moved};
  if (!block && fcntl(pair.ours.get(), F_SETFL, O_NONBLOCK) != 0) {
    return failed_to("set up a socket", errno);
  }
  return pair;
}

// What posix_spawn is told, freed at the end.
class SpawnPlan {
 public:
  SpawnPlan(int words, int bell) {
    posix_spawn_file_actions_init(&files_);
    posix_spawn_file_actions_addopen(&files_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files_, words, kWordsDescriptor);
    posix_spawn_file_actions_adddup2(&files_, bell, kBellDescriptor);
    posix_spawn_file_actions_addclosefrom_np(&files_, kBellDescriptor + 1);
    posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes_, &none);
    sigset_t all;
    sigfillset(&all);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);  // out of reach of the terminal's keys
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&files_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  [[nodiscard]] const posix_spawn_file_actions_t* files() const { return &files_; }
  [[nodiscard]] const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t files_{};
  posix_spawnattr_t attributes_{};
};

bool readable(int descriptor, int timeout_ms) {
  pollfd one{descriptor, POLLIN, 0};
  int got = 0;
  do {
    got = poll(&one, 1, timeout_ms);
  } while (got < 0 && errno == EINTR);
  return got > 0;
}

std::string told(int status) {
  if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    const char* name = sigabbrev_np(number);
    return name == nullptr ? fmt::format("signal {}", number)
                           : fmt::format("signal {} (SIG{})", number, name);
  }
  return fmt::format("exitcode {}", WIFEXITED(status) ? WEXITSTATUS(status) : status);
}

}  // namespace

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(const std::vector<std::string>& command) {
  if (command.empty()) return invalid("no command to start task processes with");
  auto words = socket_pair(SOCK_STREAM, false);
  if (!words) return words.error();
  auto bell = socket_pair(SOCK_SEQPACKET, false);
  if (!bell) return bell.error();

  auto line = command;
  line.insert(line.begin() + 1, kChildOption + std::to_string(getpid()));
  std::vector<char*> arguments;
  for (auto& word : line) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  if (line[0] == kOwnFile) arguments[0] = program_invocation_name;  // as it is known in lists
  const SpawnPlan plan{words->theirs.get(), bell->theirs.get()};
  pid_t pid = 0;
  const int failed = posix_spawn(&pid, line[0].c_str(), plan.files(), plan.attributes(),
                                 arguments.data(), environ);
  if (failed != 0) return failed_to(("start " + line[0]).c_str(), failed);

  Descriptor end{static_cast<int>(syscall(SYS_pidfd_open, pid, 0))};
  const int error = errno;
  std::unique_ptr<ChildProcess> child{
      new ChildProcess{pid, std::move(words->ours), std::move(bell->ours), std::move(end)}};
  if (!child->end_) return failed_to("watch the end", error);  // kills it
  return child;
}

ChildProcess::ChildProcess(pid_t pid, Descriptor words, Descriptor bell, Descriptor end)
    : pid_{pid}, words_{std::move(words)}, bell_{std::move(bell)}, end_{std::move(end)} {}

ChildProcess::~ChildProcess() {
  signal(SIGKILL);
  (void)how_it_ended();
}

bool ChildProcess::has_ended() const { return !how_.empty() || readable(end_.get(), 0); }

void ChildProcess::stop_job(std::uint64_t job) {
  (void)send(bell_.get(), &job, sizeof job, MSG_NOSIGNAL | MSG_DONTWAIT);
}

// It has not been waited for, so nobody else has its number.
void ChildProcess::signal(int number) {
  if (how_.empty()) (void)kill(pid_, number);
}

const std::string& ChildProcess::how_it_ended() {
  while (how_.empty()) {
    int status = 0;
    const auto got = waitpid(pid_, &status, 0);
    if (got == pid_) how_ = told(status);
    if (got < 0 && errno != EINTR) how_ = "an end that nobody saw";
  }
  return how_;
}

void ChildProcess::leave(std::chrono::milliseconds grace) {
  words_.reset();
  if (how_.empty() && !readable(end_.get(), static_cast<int>(grace.count()))) signal(SIGKILL);
  (void)how_it_ended();
}

std::uint64_t ChildProcess::resident() const {
  const auto path = fmt::format("/proc/{}/statm", pid_);
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return 0;
  unsigned long long all = 0;
  unsigned long long pages = 0;
  const int got = std::fscanf(file, "%llu %llu", &all, &pages);
  (void)std::fclose(file);
  return got == 2 ? pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) / 1024 : 0;
}

}  // namespace umbel::prefork
