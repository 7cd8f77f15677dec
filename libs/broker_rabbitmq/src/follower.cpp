#include "follower.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <utility>

#include "field_table.hpp"

namespace umbel::broker_rabbitmq {
namespace {

constexpr std::chrono::milliseconds kLook{50};
// As many as a subscriber may have read and not committed: at 30,000 events a second, each alone,
// half a second's.
constexpr std::uint16_t kPrefetch = 20'000;
// Read ahead; then the connection is not read until some of it is handed out.
constexpr std::size_t kMostWaiting = 64 * 1024 * 1024;

// A queue whose batches fill so much of its bound counts as full: what was on its way while it was
// looked at is not in the count.
constexpr std::uint64_t kFullQuarters = 3;
// A full queue is above three quarters for 4 s after a flood of 10 s, if it is read at full speed.
constexpr std::chrono::seconds kLookEvery{1};
constexpr std::size_t kMostLooks = 64;  // that wait to be judged; then the newest takes the place
                                        // of the one before

// When the first event of a foreign batch happened: Celery sets no timestamp on the message.
std::optional<WallTime> time_in(std::string_view body) {
  constexpr std::string_view kName = "\"timestamp\":";
  const auto found = body.substr(0, 4096).find(kName);
  if (found == std::string_view::npos) return std::nullopt;
  auto text = body.substr(found + kName.size());
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || seconds <= 0) return std::nullopt;
  return from_unix_seconds(seconds);
}

}  // namespace

Follower::Follower(std::string name, EventOffset after, std::uint64_t max_bytes)
    : queue_{queue_of(name)}, max_bytes_{max_bytes}, committed_{after}, last_{after} {}

Result<void> Follower::up(Session& session, amqp_channel_t channel) {
  channel_ = channel;
  amqp_table_entry_t bound = integer_field("x-max-length-bytes", 0);
  bound.value.kind = AMQP_FIELD_KIND_I64;
  bound.value.value.i64 = static_cast<std::int64_t>(max_bytes_);
  std::array<amqp_table_entry_t, 2> arguments{bound, text_field("x-overflow", "drop-head")};
  const amqp_table_t table{static_cast<int>(arguments.size()), arguments.data()};
  if (auto made = Topology::exchange(session, kEventExchange, "topic", true); !made) return made;
  if (auto made = Topology::own_queue(session, queue_, true, table); !made) return made;
  if (auto done = Topology::bind(session, queue_, kEventExchange, "#"); !done) return done;
  const auto there = Topology::look(session, queue_);
  if (!there) return there.error();
  const amqp_basic_qos_t qos{0, kPrefetch, 0};
  const auto allowed = session.ask<amqp_basic_qos_ok_t>(
      channel, AMQP_BASIC_QOS_METHOD, qos, AMQP_BASIC_QOS_OK_METHOD, "setting the prefetch");
  if (!allowed) return allowed.error();
  {
    const std::lock_guard lock{mutex_};
    given_again_ = given_.size();
    done_again_ = done_.size();
    read_ = read_bytes_ = 0;
    looks_.clear();
  }
  looked(there->message_count);
  if (auto done = consume(session); !done) return done;
  const std::lock_guard lock{mutex_};
  is_up_ = true;
  error_.reset();
  changed_.notify_all();
  return {};
}

Result<void> Follower::consume(Session& session) {
  consumer_tag_ = fmt::format("{}-{}", queue_, ++consumers_made_);
  const amqp_basic_consume_t method{0, bytes_of(queue_), bytes_of(consumer_tag_), 0, 0, 0,
                                    0, amqp_empty_table};
  const auto done = session.ask<amqp_basic_consume_ok_t>(
      *channel_, AMQP_BASIC_CONSUME_METHOD, method, AMQP_BASIC_CONSUME_OK_METHOD,
      fmt::format("consuming queue `{}`", queue_));
  if (!done) return done.error();
  return {};
}

void Follower::down(const Error& error) {
  channel_.reset();
  consumer_tag_.clear();
  const std::lock_guard lock{mutex_};
  ack_due_ = 0;
  // What is not handed out comes again; what is will be known by its bytes.
  while (given_.size() > handed_out_) given_.pop_back();
  last_ = given_.empty() ? std::min(last_, committed_) : given_.back().batch.offset;
  waiting_bytes_ = 0;
  for (auto& each : given_) each.tag = 0;
  if (!std::exchange(is_up_, false)) error_ = error;
  changed_.notify_all();
}

void Follower::method(Session& session, amqp_channel_t, const amqp_method_t& method) {
  if (method.id != AMQP_BASIC_CANCEL_METHOD) return;
  session.later([me = shared_from_this()](Session& then) {
    then.restart(*me, unavailable(fmt::format("queue `{}` was deleted", me->queue_)));
  });
}

// Whether this was handed out over an earlier connection. The server gives back what was not
// acknowledged in its old order; what it dropped meanwhile is passed over.
bool Follower::seen_before(std::size_t hash, std::size_t bytes, std::uint64_t tag) {
  if (was_done(hash, bytes, tag) || was_given(hash, bytes, tag)) return true;
  done_again_ = given_again_ = 0;
  return false;
}

bool Follower::was_done(std::size_t hash, std::size_t bytes, std::uint64_t tag) {
  const auto first = done_.end() - static_cast<std::ptrdiff_t>(done_again_);
  const auto found = std::find_if(first, done_.end(), [hash, bytes](const Done& done) {
    return done.hash == hash && done.bytes == bytes;
  });
  if (found == done_.end()) return false;
  done_again_ = static_cast<std::size_t>(done_.end() - found) - 1;
  ack_due_ = tag;
  return true;
}

bool Follower::was_given(std::size_t hash, std::size_t bytes, std::uint64_t tag) {
  const auto end = given_.begin() + static_cast<std::ptrdiff_t>(given_again_);
  const auto first = std::find_if(given_.begin(), end, [](const Given& g) { return g.tag == 0; });
  const auto found = std::find_if(
      first, end, [hash, bytes](const Given& g) { return g.hash == hash && g.bytes == bytes; });
  if (found == end) return false;
  done_again_ = 0;
  for (auto it = first; it <= found; ++it) it->tag = tag;
  return true;
}

void Follower::content(Session& session, Content&& content) {
  auto& in = content.incoming;
  const auto now = session.clock().wall();
  bool again = false;
  {
    const std::lock_guard lock{mutex_};
    auto& body = in.message.body;
    const auto hash = std::hash<std::string>{}(body);
    again = content.redelivered && seen_before(hash, body.size(), content.delivery_tag);
    const auto published = std::min(
        in.marks.published.value_or(in.timestamp.value_or(time_in(body).value_or(now))), now);
    note_read(body.size(), published, again);
    if (!again) {
      Given given;
      given.bytes = body.size();
      given.hash = hash;
      given.tag = content.delivery_tag;
      given.batch.offset = ++last_;
      given.batch.published = published;
      given.batch.perhaps_cut = std::exchange(perhaps_cut_, std::nullopt);
      given.batch.body = std::move(body);
      waiting_bytes_ += given.bytes;
      given_.push_back(std::move(given));
    }
  }
  if (again) acknowledge(session);
}

bool Follower::wants_a_look(Steady::time_point now) {
  const std::lock_guard lock{mutex_};
  if (!is_up_ || now < next_look_) return false;
  next_look_ = now + kLookEvery;
  return true;
}

void Follower::looked(std::uint64_t ready) {
  const std::lock_guard lock{mutex_};
  if (ready == 0) return;
  if (looks_.size() >= kMostLooks) looks_.pop_back();
  looks_.push_back({read_ + ready, read_bytes_, last_read_, std::nullopt});
}

// The server does not tell how many bytes a queue holds, nor that it dropped some. But what it held
// when it was looked at is read now, and has a size.
void Follower::note_read(std::size_t bytes, WallTime published, bool again) {
  ++read_;
  read_bytes_ += bytes;
  if (!again) {
    for (auto it = looks_.rbegin(); it != looks_.rend() && !it->behind; ++it) {
      it->behind = published;
    }
    last_read_ = published;
  }
  while (!looks_.empty()) {
    const auto& look = looks_.front();
    const bool full = read_bytes_ - look.bytes >= max_bytes_ / 4 * kFullQuarters;
    // What came again lies before the place.
    if (full ? !look.behind : read_ < look.last) return;
    if (full) {
      const auto from = perhaps_cut_ ? perhaps_cut_->from : look.before;
      perhaps_cut_ = {from, *look.behind};
    }
    looks_.pop_front();
  }
}

Result<std::vector<EventBatch>> Follower::next(
    std::size_t max, std::chrono::milliseconds limit, const std::stop_token& stop,
    const std::function<std::optional<Error>()>& outage) {
  const auto deadline = Steady::now() + limit;
  std::unique_lock lock{mutex_};
  for (;;) {
    if (stop.stop_requested()) return std::vector<EventBatch>{};
    std::vector<EventBatch> taken;
    while (taken.size() < max && handed_out_ < given_.size()) {
      auto& given = given_[handed_out_++];
      waiting_bytes_ -= given.bytes;
      taken.push_back(std::move(given.batch));
      given.batch.offset = taken.back().offset;
    }
    if (!taken.empty()) return taken;
    if (error_) return *error_;
    auto until = deadline;
    if (!is_up_) {
      lock.unlock();
      const auto why = outage();
      lock.lock();
      if (why) return *why;
      until = std::min(until, Steady::now() + kLook);
    }
    if (Steady::now() >= deadline) return std::vector<EventBatch>{};
    const bool up = is_up_;
    changed_.wait_until(lock, stop, until, [&] {
      return handed_out_ < given_.size() || is_up_ != up || error_.has_value();
    });
  }
}

Result<void> Follower::commit(EventOffset offset) {
  const std::lock_guard lock{mutex_};
  const auto handed = committed_ + handed_out_;
  if (offset > handed) {
    return invalid(fmt::format("events: batch {} cannot be committed; the last one read is {}",
                               offset, handed));
  }
  while (!given_.empty() && given_.front().batch.offset <= offset) {
    ack_due_ = std::max(ack_due_, given_.front().tag);
    committed_ = given_.front().batch.offset;
    // Not given again yet and done already: it must be known when it is.
    if (given_.front().tag == 0 && given_again_ > 0) ++done_again_;
    done_.push_back({given_.front().hash, given_.front().bytes});
    given_.pop_front();
    --handed_out_;
    if (given_again_ > 0) --given_again_;
  }
  while (done_.size() > kPrefetch) done_.pop_front();
  done_again_ = std::min(done_again_, done_.size());
  return {};
}

void Follower::acknowledge(Session& session) {
  if (!channel_) return;
  std::uint64_t tag = 0;
  {
    const std::lock_guard lock{mutex_};
    tag = std::exchange(ack_due_, 0);
  }
  if (tag == 0) return;
  amqp_basic_ack_t ack{tag, 1};
  (void)session.send(*channel_, AMQP_BASIC_ACK_METHOD, &ack);
}

EventStreamFigures Follower::figures(std::uint64_t in_queue) const {
  const std::lock_guard lock{mutex_};
  return {.last = last_ + in_queue, .committed = committed_};
}

bool Follower::full() const { return waiting_bytes_ > kMostWaiting; }

void Follower::closing(Session& session, amqp_channel_t) { acknowledge(session); }

}  // namespace umbel::broker_rabbitmq
