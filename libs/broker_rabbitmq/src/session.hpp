// One live connection as the thread sees it that owns it: channels with their users, questions and
// answers, and what was declared over it. Ends with the connection; a Link makes the next one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "wire.hpp"

namespace umbel::broker_rabbitmq {

class Session;

// A message that a server handed over, with what it said of it.
struct Content {
  bool returned = false;  // basic.return; otherwise basic.deliver
  std::string consumer_tag;
  std::uint64_t delivery_tag = 0;
  bool redelivered = false;
  std::string exchange, routing_key;
  std::string reason;  // of a return
  Incoming incoming;
};

// Who uses a channel. Everything is called on the link's thread; nothing but up() may ask.
class ChannelUser {
 public:
  virtual ~ChannelUser() = default;
  // The channel is open: declare, consume. An error closes it again; it is tried again later.
  virtual Result<void> up(Session& session, amqp_channel_t channel) = 0;
  // The channel, or the whole connection, is gone, or did not come up.
  virtual void down(const Error& error) = 0;
  virtual void method(Session&, amqp_channel_t, const amqp_method_t&) {}  // acks, cancels…
  virtual void content(Session&, Content&&) {}
  // After content(), once for all that came together: who waits for it may be woken.
  virtual void content_over() {}
  // On each turn of the link's thread: does what is due, and answers when something will be.
  virtual std::optional<Steady::time_point> due(Session&) { return std::nullopt; }
  // Before its channel is closed because it goes away: the last word.
  virtual void closing(Session&, amqp_channel_t) {}
  // Has no room for more content: the connection is not read until it has. Thread-safe.
  [[nodiscard]] virtual bool full() const { return false; }
};

class Session {
 public:
  Session(std::unique_ptr<Wire> wire, int wake_fd, const Clock& clock, std::stop_token stop);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Why this connection is of no use any more.
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
  // What the server says when it takes no messages for lack of disk or memory.
  [[nodiscard]] const std::optional<std::string>& blocked() const { return blocked_; }
  // What was made sure to exist over this connection, by whatever name its maker gives it.
  [[nodiscard]] std::set<std::string>& declared() { return declared_; }
  [[nodiscard]] const Clock& clock() const { return clock_; }

  // Opens a channel for `user`; while the session lives it opens a new one whenever the server
  // closes it. An error: it did not come up (and is not tried again).
  [[nodiscard]] Result<void> add(std::shared_ptr<ChannelUser> user);
  // As add(), but goes on trying.
  void keep(std::shared_ptr<ChannelUser> user);
  void remove(const ChannelUser& user);
  [[nodiscard]] std::optional<amqp_channel_t> channel_of(const ChannelUser& user) const;
  // Closes the user's channel and opens a new one.
  void restart(const ChannelUser& user, const Error& why);
  // Opens the channels that are due to be opened again and does what was left for later or is due;
  // answers when the next one is due.
  std::chrono::milliseconds catch_up();

  // Done by the link's thread soon, outside of any answer: for who may not ask now.
  void later(std::function<void(Session&)> work) { later_.push_back(std::move(work)); }

  // A channel for questions that the server may answer by closing it.
  [[nodiscard]] Result<amqp_channel_t> scratch();

  [[nodiscard]] Result<void> send(amqp_channel_t channel, amqp_method_number_t id, void* method);
  [[nodiscard]] Result<void> publish(amqp_channel_t channel, const Outgoing& message);
  void cork(bool on) { wire_->cork(on); }

  // Sends a method and waits for its answer; `what` stands before what the server says if it
  // refuses.
  template <class Reply, class Method>
  [[nodiscard]] Result<Reply> ask(amqp_channel_t channel, amqp_method_number_t id, Method method,
                                  amqp_method_number_t reply, const std::string& what) {
    const auto answer = ask_raw(channel, id, &method, reply, what);
    if (!answer) return answer.error();
    const Reply copy = *static_cast<const Reply*>(*answer);
    wire_->release(channel);
    return copy;
  }

  // Takes in the frames that are there; answers whether it left some, so that a flood of them lets
  // others have their turn. A burst is what one read brings: to see that there is no more takes
  // calls of its own, which wait() saves.
  enum class Drain { Burst, All };
  bool drain(Drain how);
  // Whether there may be some that wait() does not see.
  [[nodiscard]] bool holds_more() const { return wire_->holds_more(); }
  // Waits until there is something to read, somebody wakes the thread, or `limit` passed. Whether
  // somebody did.
  bool wait(std::chrono::milliseconds limit);
  void end(const Error& why);  // tells all users
  void goodbye();

 private:
  struct Channel {
    std::shared_ptr<ChannelUser> user;
    bool open = false;
    bool up = false;
    bool kept = false;
    Steady::time_point retry_at{};
    std::chrono::milliseconds backoff{0};
    std::optional<Content> partial;
    std::uint64_t missing = 0;  // bytes of the partial content's body
    bool headed = false;
    bool told = true;  // its user, of all content
  };

  [[nodiscard]] Result<void*> ask_raw(amqp_channel_t channel, amqp_method_number_t id, void* method,
                                      amqp_method_number_t reply, const std::string& what);
  [[nodiscard]] Result<void> open(amqp_channel_t number);
  [[nodiscard]] Result<void> raise(amqp_channel_t number);
  [[nodiscard]] amqp_channel_t free_number() const;
  void fail(const Error& error);
  void beat();
  [[nodiscard]] bool full() const;
  void dispatch(const amqp_frame_t& frame);
  void on_method(amqp_channel_t number, const amqp_method_t& method);
  void on_connection_method(const amqp_method_t& method);
  void on_channel_close(amqp_channel_t number, const amqp_channel_close_t& close);
  void on_content(Channel& channel, const amqp_frame_t& frame);
  void finish_content(Channel& channel);
  void tell_of_content();

  std::unique_ptr<Wire> wire_;
  const int wake_fd_;
  const Clock& clock_;
  const std::stop_token stop_;
  std::optional<Error> failure_;
  std::optional<std::string> blocked_;
  std::set<std::string> declared_;
  std::map<amqp_channel_t, Channel> channels_;
  std::vector<std::function<void(Session&)>> later_;
};

}  // namespace umbel::broker_rabbitmq
