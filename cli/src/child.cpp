#include "umbel/cli/child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX leaves it to us

namespace umbel {
namespace {

constexpr std::size_t kLongestLine = 16 * 1024;

std::string describe(int status) {
  if (WIFSIGNALED(status)) {
    return fmt::format("signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  }
  return fmt::format("exit status {}", WEXITSTATUS(status));
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// Between fork and exec: async-signal-safe calls alone. Ends in exec or in _exit, with errno
// written to `failure`.
[[noreturn]] void become(char* const* argv, char* const* envp, int output, int failure,
                         pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // the parent died before prctl took hold
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execvpe(argv[0], argv, envp);
  const int error = errno;
  if (write(failure, &error, sizeof error) != sizeof error) _exit(126);
  _exit(127);
}

}  // namespace

Result<Child> Child::spawn(const ChildCommand& command) {
  int output[2];
  int failure[2];
  if (pipe2(output, O_CLOEXEC) != 0) return unavailable(fmt::format("pipe: {}", strerror(errno)));
  if (pipe2(failure, O_CLOEXEC) != 0) {
    close(output[0]);
    close(output[1]);
    return unavailable(fmt::format("pipe: {}", strerror(errno)));
  }
  std::vector<std::string> argv = command.argv;
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text{*entry};
    const auto replaced = [&](const auto& added) { return text.starts_with(added.first + "="); };
    bool keep = true;
    for (const auto& added : command.environment) keep = keep && !replaced(added);
    if (keep) environment.emplace_back(text);
  }
  for (const auto& [name, value] : command.environment) {
    environment.push_back(fmt::format("{}={}", name, value));
  }
  const auto argument_pointers = pointers(argv);
  const auto environment_pointers = pointers(environment);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    become(argument_pointers.data(), environment_pointers.data(), output[1], failure[1], parent);
  }
  const int fork_error = errno;
  close(output[1]);
  close(failure[1]);
  if (pid < 0) {
    close(output[0]);
    close(failure[0]);
    return unavailable(fmt::format("fork for {}: {}", argv[0], strerror(fork_error)));
  }
  Child child{pid, output[0]};
  fcntl(output[0], F_SETFL, O_NONBLOCK);
  int error = 0;
  const auto got = read(failure[0], &error, sizeof error);  // closed by a successful exec
  close(failure[0]);
  if (got == sizeof error) {
    return invalid(fmt::format("cannot run {}: {}", argv[0], strerror(error)));
  }
  return child;
}

Child::~Child() { release(); }

Child::Child(Child&& other) noexcept
    : pid_{std::exchange(other.pid_, -1)},
      output_{std::exchange(other.output_, -1)},
      partial_{std::move(other.partial_)},
      end_{std::move(other.end_)} {}

Child& Child::operator=(Child&& other) noexcept {
  if (this != &other) {
    release();
    pid_ = std::exchange(other.pid_, -1);
    output_ = std::exchange(other.output_, -1);
    partial_ = std::move(other.partial_);
    end_ = std::move(other.end_);
  }
  return *this;
}

void Child::release() {
  if (output_ >= 0) close(output_);
  output_ = -1;
  if (pid_ > 0 && !end_) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  pid_ = -1;
}

std::vector<std::string> Child::read_lines() {
  std::vector<std::string> lines;
  char buffer[8192];
  while (output_ >= 0) {
    const auto got = read(output_, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;  // nothing more for now
    if (got == 0) {
      close(output_);
      output_ = -1;
      if (!partial_.empty()) lines.push_back(std::exchange(partial_, {}));
      break;
    }
    for (const char c : std::string_view{buffer, static_cast<std::size_t>(got)}) {
      if (c == '\n' || partial_.size() >= kLongestLine) {
        lines.push_back(std::exchange(partial_, {}));
      }
      if (c != '\n') partial_ += c;
    }
  }
  return lines;
}

void Child::signal(int number) const {
  if (pid_ > 0 && !end_) kill(pid_, number);
}

std::optional<std::string> Child::ended() {
  if (end_ || pid_ <= 0) return end_;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == pid_) end_ = describe(status);
  return end_;
}

}  // namespace umbel
