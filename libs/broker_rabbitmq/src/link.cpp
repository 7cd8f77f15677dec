#include "link.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

namespace umbel::broker_rabbitmq {
namespace {

constexpr std::chrono::milliseconds kFirstPause{100}, kLongestPause{2000}, kLook{500};
constexpr std::chrono::milliseconds kGoodbye{2500};
constexpr std::chrono::milliseconds kStoodStill{1000};  // twice the longest sleep
constexpr std::chrono::milliseconds kShortLife{1000}, kShortLifePause{500};
constexpr int kShortLives = 3;

int open_wake() {
  const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) throw std::system_error{errno, std::generic_category(), "eventfd"};
  return fd;
}

}  // namespace

SharedOutage::SharedOutage(const Clock& clock, Log log)
    : outage_{"RabbitMQ", clock, std::move(log)} {}

void SharedOutage::failed(const void* link, const Error& error) {
  const std::lock_guard lock{mutex_};
  out_.insert(link);
  (void)outage_.failed(error);
}

void SharedOutage::over(const void* link) {
  const std::lock_guard lock{mutex_};
  if (out_.erase(link) > 0 && out_.empty()) outage_.over();
}

void SharedOutage::gone(const void* link) {
  const std::lock_guard lock{mutex_};
  out_.erase(link);
}

Link::Link(AmqpUrl url, std::string name, const Clock& clock, std::shared_ptr<SharedOutage> outage)
    : url_{std::move(url)},
      name_{std::move(name)},
      clock_{clock},
      outage_{std::move(outage)},
      wake_fd_{open_wake()},
      random_{std::random_device{}()},
      thread_{[this](const std::stop_token& stop) { run(stop); }} {}

Link::~Link() {
  thread_.request_stop();
  wake();
  {
    std::unique_lock lock{done_mutex_};
    done_.wait_for(lock, kGoodbye, [this] { return finished_; });
  }
  shutter_.shut();
  thread_.join();
  close(wake_fd_);
  outage_->gone(this);
}

void Link::wake() {
  const std::uint64_t one = 1;
  (void)!write(wake_fd_, &one, sizeof one);
}

void Link::clear_wake() {
  std::uint64_t count = 0;
  (void)!read(wake_fd_, &count, sizeof count);
}

void Link::post(Command command) {
  std::optional<Error> error;
  {
    const std::lock_guard lock{mutex_};
    if (ended_) {
      error = unavailable("RabbitMQ: the connection is closed");
    } else if (error_) {
      error = error_;
    } else {
      commands_.push_back(std::move(command));
      if (commands_.size() == 1) wake();
      return;
    }
  }
  command.fail(*error);
}

std::optional<Error> Link::outage() const {
  const std::lock_guard lock{mutex_};
  return error_;
}

void Link::keep(const std::shared_ptr<ChannelUser>& user) {
  bool out = false;
  {
    const std::lock_guard lock{mutex_};
    users_.push_back(user);
    out = error_.has_value();
  }
  // During an outage the next connection brings it up.
  if (out) return;
  post({.run =
            [user](Session& session) {
              if (!session.channel_of(*user)) session.keep(user);
              (void)session.catch_up();
            },
        .fail = [](const Error&) {}});
}

Result<void> Link::add(const std::shared_ptr<ChannelUser>& user, std::chrono::milliseconds limit) {
  auto added = call<void>(limit, [this, user](Session& session) -> Result<void> {
    auto up = session.add(user);
    if (up) {
      const std::lock_guard lock{mutex_};
      users_.push_back(user);
    }
    return up;
  });
  if (!added) remove(user, std::chrono::milliseconds{0});  // it may still have come up
  return added;
}

void Link::remove(const std::shared_ptr<ChannelUser>& user, std::chrono::milliseconds limit) {
  const auto forget = [this, user] {
    const std::lock_guard lock{mutex_};
    std::erase(users_, user);
  };
  forget();
  // It is done even if nobody waits for it any more; otherwise the server would go on pushing to a
  // user who is gone. Forgotten once more: add() may have come in between.
  auto answer = std::make_shared<Answer<void>>();
  post({.run =
            [answer, forget, user](Session& session) {
              forget();
              session.remove(*user);
              answer->end({});
            },
        .fail =
            [answer, forget](const Error& error) {
              forget();
              answer->end(error);
            }});
  if (limit.count() > 0) (void)answer->wait(limit);
}

void Link::failed(const Error& error) {
  std::vector<Command> commands;
  {
    const std::lock_guard lock{mutex_};
    error_ = error;
    commands.swap(commands_);
  }
  outage_->failed(this, error);
  for (auto& command : commands) command.fail(error);
}

void Link::pause(std::chrono::milliseconds time, const std::stop_token& stop) {
  const auto end = Steady::now() + time;
  while (!stop.stop_requested() && Steady::now() < end) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Steady::now());
    pollfd woken{.fd = wake_fd_, .events = POLLIN, .revents = 0};
    poll(&woken, 1, static_cast<int>(left.count()));
    clear_wake();
  }
}

void Link::run(const std::stop_token& stop) {
  auto pause_for = kFirstPause;
  int short_lives = 0;
  std::size_t dead = 0;  // hosts in a row
  std::string none;      // what they said
  while (!stop.stop_requested()) {
    const auto& host = url_.hosts[next_host_ % url_.hosts.size()];
    auto wire = Wire::open(url_, host, name_, shutter_);
    if (!wire) {
      ++next_host_;
      if (stop.stop_requested()) break;
      none += (none.empty() ? "" : "; ") + wire.error().what;
      // One dead host of a list is no outage: who waits is answered when none is left.
      if (++dead < url_.hosts.size()) continue;
      failed({wire.error().code, std::exchange(none, {})});
      dead = 0;
      // All that lost one server do not come back in one moment.
      const auto spread = std::uniform_int_distribution<long>{50, 150}(random_);
      pause(std::min(pause_for * spread / 100, kLongestPause), stop);
      pause_for = std::min(pause_for * 2, kLongestPause);
      continue;
    }
    pause_for = kFirstPause;
    dead = 0;
    none.clear();
    const auto begin = Steady::now();
    Session session{std::move(*wire), wake_fd_, clock_, stop};
    {
      const std::lock_guard lock{mutex_};
      error_.reset();
      for (const auto& user : users_) session.keep(user);
    }
    outage_->over(this);
    serve(session, stop);
    if (stop.stop_requested()) {
      session.goodbye();
      session.end(unavailable("RabbitMQ: the connection is closed"));
      break;
    }
    const auto why = *session.failure();
    outage_->failed(this, why);
    session.end(why);
    ++next_host_;
    // A server that takes us and throws us out again, over and over, is given time.
    short_lives = Steady::now() - begin < kShortLife ? short_lives + 1 : 0;
    if (short_lives > kShortLives) pause(kShortLifePause, stop);
  }
  std::vector<Command> commands;
  {
    const std::lock_guard lock{mutex_};
    ended_ = true;
    commands.swap(commands_);
  }
  for (auto& command : commands) command.fail(unavailable("RabbitMQ: the connection is closed"));
  const std::lock_guard lock{done_mutex_};
  finished_ = true;
  done_.notify_all();
}

void Link::catch_up(std::chrono::milliseconds limit) {
  const Steady::time_point looked{Steady::duration{looked_}};
  if (Steady::now() - looked < kStoodStill) return;
  (void)call<void>(limit, [](Session&) -> Result<void> { return {}; });
}

void Link::serve(Session& session, const std::stop_token& stop) {
  while (!stop.stop_requested() && !session.failure()) {
    // Who stood still looks at all that came meanwhile, which may end in the connection's end.
    const Steady::time_point looked{Steady::duration{looked_}};
    const bool stood_still = Steady::now() - looked >= kStoodStill;
    (void)session.drain(stood_still ? Session::Drain::All : Session::Drain::Burst);
    // Its users hear of a loss before anybody who waits for a command or for this look does.
    if (session.failure()) return;
    looked_ = Steady::now().time_since_epoch().count();
    const auto next = session.catch_up();
    if (run_commands(session)) continue;
    // Nothing to read is left behind when we wait: what the library has taken in already makes no
    // socket readable.
    if (session.holds_more() && session.drain(Session::Drain::All)) continue;
    if (session.failure()) return;
    if (session.wait(std::min(next, kLook))) clear_wake();
  }
}

// Whether there were any.
bool Link::run_commands(Session& session) {
  std::vector<Command> commands;
  {
    const std::lock_guard lock{mutex_};
    commands.swap(commands_);
  }
  for (auto& command : commands) {
    if (session.failure()) {
      command.fail(*session.failure());
    } else {
      command.run(session);
    }
  }
  return !commands.empty();
}

}  // namespace umbel::broker_rabbitmq
