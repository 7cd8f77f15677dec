#include "session.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <utility>

#include "field_table.hpp"

namespace umbel::broker_rabbitmq {
namespace {

constexpr std::chrono::seconds kAnswerLimit{10};
constexpr std::chrono::milliseconds kFirstRetry{200}, kLongestRetry{5000};
constexpr std::chrono::milliseconds kFullLook{20};
constexpr int kMostFrames = 3000;  // 1,000 messages
constexpr amqp_channel_t kScratch = 1;
constexpr std::size_t kReserve = 16 * 1024 * 1024;

}  // namespace

Session::Session(std::unique_ptr<Wire> wire, int wake_fd, const Clock& clock, std::stop_token stop)
    : wire_{std::move(wire)}, wake_fd_{wake_fd}, clock_{clock}, stop_{std::move(stop)} {}

Session::~Session() = default;

void Session::fail(const Error& error) {
  if (!failure_) failure_ = error;
}

Result<void> Session::send(amqp_channel_t channel, amqp_method_number_t id, void* method) {
  if (failure_) return *failure_;
  auto sent = wire_->send(channel, id, method);
  if (!sent) fail(sent.error());
  return sent;
}

Result<void> Session::publish(amqp_channel_t channel, const Outgoing& message) {
  if (failure_) return *failure_;
  auto sent = wire_->publish(channel, message);
  if (!sent) fail(sent.error());
  return sent;
}

Result<void*> Session::ask_raw(amqp_channel_t channel, amqp_method_number_t id, void* method,
                               amqp_method_number_t reply, const std::string& what) {
  if (const auto sent = send(channel, id, method); !sent) return sent.error();
  const auto deadline = Steady::now() + kAnswerLimit;
  while (!failure_) {
    const auto frame = wire_->read();
    if (!frame) {
      fail(frame.error());
      break;
    }
    if (!*frame) {
      if (stop_.stop_requested() &&
          Steady::now() + kAnswerLimit > deadline + std::chrono::seconds{1}) {
        return unavailable(what + ": the connection is being closed");
      }
      if (Steady::now() > deadline) {
        fail(unavailable(
            fmt::format("{}: RabbitMQ did not answer within {} s", what, kAnswerLimit.count())));
        break;
      }
      beat();
      pollfd readable{.fd = wire_->fd(), .events = POLLIN, .revents = 0};
      poll(&readable, 1, 100);
      continue;
    }
    const auto& got = **frame;
    if (got.channel == channel && got.frame_type == AMQP_FRAME_METHOD) {
      if (got.payload.method.id == reply) return got.payload.method.decoded;
      if (got.payload.method.id == AMQP_CHANNEL_CLOSE_METHOD) {
        const auto* close = static_cast<const amqp_channel_close_t*>(got.payload.method.decoded);
        const auto refused = server_error(what, close->reply_code, view(close->reply_text));
        dispatch(got);
        return refused;
      }
    }
    dispatch(got);
  }
  return *failure_;
}

amqp_channel_t Session::free_number() const {
  amqp_channel_t number = kScratch + 1;
  while (channels_.contains(number)) ++number;
  return number;
}

Result<void> Session::open(amqp_channel_t number) {
  amqp_channel_open_t method{amqp_empty_bytes};
  const auto opened = ask<amqp_channel_open_ok_t>(number, AMQP_CHANNEL_OPEN_METHOD, method,
                                                  AMQP_CHANNEL_OPEN_OK_METHOD, "opening a channel");
  if (!opened) return opened.error();
  channels_[number].open = true;
  return {};
}

Result<amqp_channel_t> Session::scratch() {
  if (failure_) return *failure_;
  if (!channels_[kScratch].open) {
    if (const auto opened = open(kScratch); !opened) return opened.error();
  }
  return kScratch;
}

Result<void> Session::raise(amqp_channel_t number) {
  const auto user = channels_[number].user;
  if (const auto opened = open(number); !opened) {
    user->down(opened.error());
    return opened.error();
  }
  if (const auto up = user->up(*this, number); !up) {
    if (channels_[number].open && !failure_) {
      amqp_channel_close_t method{AMQP_REPLY_SUCCESS, amqp_empty_bytes, 0, 0};
      (void)ask<amqp_channel_close_ok_t>(number, AMQP_CHANNEL_CLOSE_METHOD, method,
                                         AMQP_CHANNEL_CLOSE_OK_METHOD, "closing a channel");
    }
    channels_[number].open = false;
    user->down(up.error());
    return up.error();
  }
  channels_[number].up = true;
  channels_[number].backoff = std::chrono::milliseconds{0};
  return {};
}

Result<void> Session::add(std::shared_ptr<ChannelUser> user) {
  if (failure_) return *failure_;
  const auto number = free_number();
  channels_[number].user = std::move(user);
  auto raised = raise(number);
  if (raised) {
    channels_[number].kept = true;
  } else {
    channels_.erase(number);
  }
  return raised;
}

void Session::keep(std::shared_ptr<ChannelUser> user) {
  const auto number = free_number();
  auto& channel = channels_[number];
  channel.user = std::move(user);
  channel.kept = true;
  channel.retry_at = Steady::now();
}

void Session::remove(const ChannelUser& user) {
  const auto number = channel_of(user);
  if (!number) return;
  if (channels_[*number].up) channels_[*number].user->closing(*this, *number);
  if (channels_[*number].open && !failure_) {
    amqp_channel_close_t method{AMQP_REPLY_SUCCESS, amqp_empty_bytes, 0, 0};
    (void)ask<amqp_channel_close_ok_t>(*number, AMQP_CHANNEL_CLOSE_METHOD, method,
                                       AMQP_CHANNEL_CLOSE_OK_METHOD, "closing a channel");
  }
  channels_.erase(*number);
}

std::optional<amqp_channel_t> Session::channel_of(const ChannelUser& user) const {
  for (const auto& [number, channel] : channels_) {
    if (channel.user.get() == &user) return number;
  }
  return std::nullopt;
}

void Session::restart(const ChannelUser& user, const Error& why) {
  const auto number = channel_of(user);
  if (!number || failure_) return;
  auto& channel = channels_[*number];
  if (!channel.open) return;
  amqp_channel_close_t method{AMQP_REPLY_SUCCESS, amqp_empty_bytes, 0, 0};
  (void)ask<amqp_channel_close_ok_t>(*number, AMQP_CHANNEL_CLOSE_METHOD, method,
                                     AMQP_CHANNEL_CLOSE_OK_METHOD, "closing a channel");
  channel.open = channel.up = false;
  channel.partial.reset();
  channel.retry_at = Steady::now() + kFirstRetry;
  channel.user->down(why);
}

std::chrono::milliseconds Session::catch_up() {
  const auto works = std::exchange(later_, {});
  for (const auto& work : works) {
    if (!failure_) work(*this);
  }
  auto soonest = kLongestRetry;
  std::vector<amqp_channel_t> due;
  const auto now = Steady::now();
  for (const auto& [number, channel] : channels_) {
    if (!channel.kept || channel.up) continue;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(channel.retry_at - now);
    if (left.count() <= 0) due.push_back(number);
    soonest = std::clamp(left, std::chrono::milliseconds{0}, soonest);
  }
  for (auto& [number, channel] : channels_) {
    if (failure_ || !channel.up || !channel.user) continue;
    const auto next = channel.user->due(*this);
    if (!next) continue;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - now);
    soonest = std::clamp(left, std::chrono::milliseconds{0}, soonest);
  }
  for (const auto number : due) {
    if (failure_) break;
    if (raise(number)) continue;
    auto& channel = channels_[number];
    channel.backoff = std::clamp(channel.backoff * 2, kFirstRetry, kLongestRetry);
    channel.retry_at = Steady::now() + channel.backoff;
  }
  return later_.empty() ? soonest : std::chrono::milliseconds{0};
}

void Session::beat() {
  if (failure_) return;
  if (const auto sent = wire_->beat(); !sent) fail(sent.error());
}

bool Session::drain(Drain how) {
  beat();
  int frames = 0;
  for (; frames < kMostFrames; ++frames) {
    if (failure_ || full()) break;
    if (how == Drain::Burst && frames > 0 && !wire_->holds_more()) break;
    const auto frame = wire_->read();
    if (!frame) fail(frame.error());
    if (!frame || !*frame) break;
    dispatch(**frame);
  }
  tell_of_content();
  return frames == kMostFrames;
}

void Session::tell_of_content() {
  for (auto& [number, channel] : channels_) {
    if (!std::exchange(channel.told, true) && channel.user) channel.user->content_over();
  }
}

bool Session::full() const {
  return std::ranges::any_of(channels_, [](const auto& each) {
    return each.second.user != nullptr && each.second.user->full();
  });
}

void Session::dispatch(const amqp_frame_t& frame) {
  if (frame.frame_type == AMQP_FRAME_METHOD) {
    on_method(frame.channel, frame.payload.method);
  } else if (const auto found = channels_.find(frame.channel); found != channels_.end()) {
    on_content(found->second, frame);
  }
  wire_->release(frame.channel);
}

void Session::on_method(amqp_channel_t number, const amqp_method_t& method) {
  if (number == 0) return on_connection_method(method);
  const auto found = channels_.find(number);
  if (found == channels_.end()) return;
  auto& channel = found->second;
  switch (method.id) {
    case AMQP_CHANNEL_CLOSE_METHOD:
      on_channel_close(number, *static_cast<const amqp_channel_close_t*>(method.decoded));
      return;
    case AMQP_BASIC_DELIVER_METHOD: {
      const auto& deliver = *static_cast<const amqp_basic_deliver_t*>(method.decoded);
      auto& content = channel.partial.emplace();
      content.consumer_tag = view(deliver.consumer_tag);
      content.delivery_tag = deliver.delivery_tag;
      content.redelivered = deliver.redelivered != 0;
      content.exchange = view(deliver.exchange);
      content.routing_key = view(deliver.routing_key);
      channel.headed = false;
      return;
    }
    case AMQP_BASIC_RETURN_METHOD: {
      const auto& returned = *static_cast<const amqp_basic_return_t*>(method.decoded);
      auto& content = channel.partial.emplace();
      content.returned = true;
      content.exchange = view(returned.exchange);
      content.routing_key = view(returned.routing_key);
      content.reason = view(returned.reply_text);
      channel.headed = false;
      return;
    }
    case AMQP_CHANNEL_FLOW_METHOD: {
      amqp_channel_flow_ok_t answer{
          static_cast<const amqp_channel_flow_t*>(method.decoded)->active};
      (void)send(number, AMQP_CHANNEL_FLOW_OK_METHOD, &answer);
      return;
    }
    default:
      if (channel.user) channel.user->method(*this, number, method);
  }
}

void Session::on_connection_method(const amqp_method_t& method) {
  if (method.id == AMQP_CONNECTION_CLOSE_METHOD) {
    const auto& close = *static_cast<const amqp_connection_close_t*>(method.decoded);
    const auto why = unavailable(
        server_error("the connection was closed", close.reply_code, view(close.reply_text)).what);
    amqp_connection_close_ok_t answer{};
    (void)send(0, AMQP_CONNECTION_CLOSE_OK_METHOD, &answer);
    fail(why);
  } else if (method.id == AMQP_CONNECTION_BLOCKED_METHOD) {
    blocked_ = view(static_cast<const amqp_connection_blocked_t*>(method.decoded)->reason);
  } else if (method.id == AMQP_CONNECTION_UNBLOCKED_METHOD) {
    blocked_.reset();
  }
}

void Session::on_channel_close(amqp_channel_t number, const amqp_channel_close_t& close) {
  const auto why = server_error("the channel was closed", close.reply_code, view(close.reply_text));
  amqp_channel_close_ok_t answer{};
  (void)send(number, AMQP_CHANNEL_CLOSE_OK_METHOD, &answer);
  auto& channel = channels_[number];
  const bool was_up = std::exchange(channel.up, false);
  channel.open = false;
  channel.partial.reset();
  channel.retry_at = Steady::now() + kFirstRetry;
  if (was_up && channel.user) channel.user->down(why);
}

void Session::on_content(Channel& channel, const amqp_frame_t& frame) {
  if (!channel.partial) return;
  if (frame.frame_type == AMQP_FRAME_HEADER) {
    const auto& header = frame.payload.properties;
    channel.partial->incoming = read_properties(
        *static_cast<const amqp_basic_properties_t*>(header.decoded), clock_.wall());
    channel.missing = header.body_size;
    channel.headed = true;
    channel.partial->incoming.message.body.reserve(
        std::min<std::uint64_t>(header.body_size, kReserve));
  } else if (frame.frame_type == AMQP_FRAME_BODY && channel.headed) {
    const auto fragment = view(frame.payload.body_fragment);
    channel.partial->incoming.message.body += fragment;
    channel.missing -= std::min<std::uint64_t>(channel.missing, fragment.size());
  }
  if (channel.headed && channel.missing == 0) finish_content(channel);
}

void Session::finish_content(Channel& channel) {
  auto content = std::move(*channel.partial);
  channel.partial.reset();
  channel.told = false;
  if (channel.user) channel.user->content(*this, std::move(content));
}

bool Session::wait(std::chrono::milliseconds limit) {
  tell_of_content();
  std::array<pollfd, 2> waited{{{.fd = wire_->fd(), .events = POLLIN, .revents = 0},
                                {.fd = wake_fd_, .events = POLLIN, .revents = 0}}};
  if (full()) {  // there is something to read, and no room for it
    limit = std::min(limit, kFullLook);
    waited[0].fd = -1;
  }
  return poll(waited.data(), waited.size(), static_cast<int>(limit.count())) > 0 &&
         waited[1].revents != 0;
}

void Session::end(const Error& why) {
  fail(why);
  for (auto& [number, channel] : channels_) {
    channel.open = false;
    if (channel.user) channel.user->down(*failure_);
  }
}

void Session::goodbye() {
  if (!failure_) wire_->goodbye();
}

}  // namespace umbel::broker_rabbitmq
