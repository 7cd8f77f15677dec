// A connection that is always there or coming back: one thread that owns the socket, reads it, and
// does for others what only it may do.
//
// It connects to one host of the list after the other, at once after a loss and then with growing
// pauses. Until the first try has failed callers wait for it; from then on they are answered
// Unavailable at once, until it is there.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "session.hpp"
#include "umbel/base/log.hpp"
#include "umbel/runtime/outage.hpp"

namespace umbel::broker_rabbitmq {

// Of all links to one server: an outage gets one line at its beginning and one at its end.
class SharedOutage {
 public:
  SharedOutage(const Clock& clock, Log log);
  void failed(const void* link, const Error& error);
  void over(const void* link);
  void gone(const void* link);  // nobody needs it any more: that ends no outage

 private:
  std::mutex mutex_;
  std::set<const void*> out_;
  Outage outage_;
};

class Link {
 public:
  Link(AmqpUrl url, std::string name, const Clock& clock, std::shared_ptr<SharedOutage> outage);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  struct Command {
    std::function<void(Session&)> run;
    std::function<void(const Error&)> fail;  // instead of run; also when the link ends
  };
  // Runs it on the link's thread as soon as there is a connection; fails it at once during an
  // outage (then on the caller's thread).
  void post(Command command);

  // Runs `work` there and answers what it does, or Unavailable after `limit` (then it may still be
  // running, but will not begin any more).
  template <class T>
  [[nodiscard]] Result<T> call(std::chrono::milliseconds limit,
                               std::function<Result<T>(Session&)> work) {
    auto answer = std::make_shared<Answer<T>>();
    post({.run =
              [answer, work = std::move(work)](Session& session) {
                if (!answer->begin()) return;
                answer->end(work(session));
              },
          .fail = [answer](const Error& error) { answer->end(error); }});
    return answer->wait(limit);
  }

  // A user whose channel is opened on every connection from now on.
  void keep(const std::shared_ptr<ChannelUser>& user);
  // A user that is kept if its channel comes up within the limit.
  [[nodiscard]] Result<void> add(const std::shared_ptr<ChannelUser>& user,
                                 std::chrono::milliseconds limit);
  // Closes its channel, and waits for that up to the limit.
  void remove(const std::shared_ptr<ChannelUser>& user, std::chrono::milliseconds limit);

  [[nodiscard]] std::optional<Error> outage() const;

  // If the thread has not looked at its connection for a while, as after the whole process was
  // stopped, waits up to `limit` until it has: what was lost meanwhile is known then.
  void catch_up(std::chrono::milliseconds limit);

 private:
  template <class T>
  class Answer {
   public:
    bool begin() {
      const std::lock_guard lock{mutex_};
      return !abandoned_;
    }
    void end(Result<T> result) {
      const std::lock_guard lock{mutex_};
      if (!result_) result_.emplace(std::move(result));
      changed_.notify_all();
    }
    Result<T> wait(std::chrono::milliseconds limit) {
      std::unique_lock lock{mutex_};
      if (changed_.wait_for(lock, limit, [this] { return result_.has_value(); })) {
        return std::move(*result_);
      }
      abandoned_ = true;
      return unavailable("RabbitMQ: no answer within " + std::to_string(limit.count()) + " ms");
    }

   private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<Result<T>> result_;
    bool abandoned_ = false;
  };

  void run(const std::stop_token& stop);
  void serve(Session& session, const std::stop_token& stop);
  bool run_commands(Session& session);
  void failed(const Error& error);
  void pause(std::chrono::milliseconds time, const std::stop_token& stop);
  void wake();
  void clear_wake();

  const AmqpUrl url_;
  const std::string name_;
  const Clock& clock_;
  const std::shared_ptr<SharedOutage> outage_;
  int wake_fd_;
  Shutter shutter_;
  mutable std::mutex mutex_;
  std::vector<Command> commands_;
  std::vector<std::shared_ptr<ChannelUser>> users_;
  std::optional<Error> error_;  // while it is out
  bool ended_ = false;
  std::atomic<Steady::rep> looked_ = 0;  // when it last looked, in ticks of the steady clock
  std::minstd_rand random_;
  std::size_t next_host_ = 0;
  std::mutex done_mutex_;
  std::condition_variable done_;
  bool finished_ = false;
  std::jthread thread_;
};

}  // namespace umbel::broker_rabbitmq
