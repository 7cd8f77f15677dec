#include "receiver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "field_table.hpp"
#include "umbel/base/text.hpp"

namespace umbel::broker_rabbitmq {
namespace {

constexpr unsigned kTagBits = 40;
constexpr std::uint64_t kTagMask = (std::uint64_t{1} << kTagBits) - 1;
constexpr std::size_t kMostPrefetch = 65535;  // AMQP's count has 16 bits; 0 would be no limit
constexpr std::chrono::milliseconds kLook{50};
constexpr std::chrono::seconds kLookForQueue{5};
// How long a done message waits for those before it, and which share of the prefetch may: the
// server counts them as not done.
constexpr std::chrono::milliseconds kLate{10};
constexpr std::size_t kLateShare = 2;

std::vector<std::string> names_of(const std::vector<QueueName>& queues) {
  std::vector<std::string> names;
  for (const auto& queue : queues) {
    if (std::ranges::find(names, queue.str()) == names.end()) names.push_back(queue.str());
  }
  return names;
}

}  // namespace

Receiver::Receiver(ConsumeOptions options, Topology topology, const Clock& clock)
    : name_{shortened(options.consumer, 150)},
      topology_{std::move(topology)},
      clock_{clock},
      queues_{names_of(options.queues)},
      prefetch_{options.prefetch} {}

DeliveryTag Receiver::tag_of(std::uint64_t amqp_tag) const {
  return (generation_ << kTagBits) | (amqp_tag & kTagMask);
}

std::size_t Receiver::unacked() const {
  const std::lock_guard lock{mutex_};
  return held_;
}

bool Receiver::set_prefetch(std::size_t prefetch) {
  const std::lock_guard lock{mutex_};
  prefetch = std::max<std::size_t>(prefetch, 1);
  prefetch_ = prefetch;
  changed_.notify_all();
  return std::ranges::any_of(consumers_, [this](const auto& each) { return overfed(each); });
}

// All that the server may push to it is in our hands, and there is room for more.
bool Receiver::starves(const Pushing& consumer) const {
  return consumer.current && consumer.pushed >= consumer.limit &&
         consumer.limit < std::min(prefetch_, kMostPrefetch);
}

bool Receiver::overfed(const Pushing& consumer) const {
  return consumer.current && consumer.limit > 2 * prefetch_;
}

void Receiver::ripen(WallTime now) {
  const auto end = early_.upper_bound(now);
  for (auto it = early_.begin(); it != end; ++it) {
    waiting_[it->second.message.priority].push_back(std::move(it->second));
  }
  early_.erase(early_.begin(), end);
}

std::vector<Delivery> Receiver::take(std::size_t max) {
  std::vector<Delivery> taken;
  const auto room = prefetch_ > held_ ? prefetch_ - held_ : 0;
  const auto most = std::min(max, room);
  while (taken.size() < most && !waiting_.empty()) {
    auto& line = waiting_.begin()->second;
    tag_at(line.front().tag & kTagMask).stand = Stand::Held;
    taken.push_back(std::move(line.front()));
    line.pop_front();
    if (line.empty()) waiting_.erase(waiting_.begin());
  }
  held_ += taken.size();
  return taken;
}

Result<std::vector<Delivery>> Receiver::next(std::size_t max, std::chrono::milliseconds limit,
                                             const std::stop_token& stop, const Link& link) {
  const auto deadline = Steady::now() + limit;
  std::unique_lock lock{mutex_};
  for (;;) {
    if (stop.stop_requested()) return std::vector<Delivery>{};
    const auto now = clock_.wall();
    ripen(now);
    if (auto taken = take(max); !taken.empty()) return taken;
    if (error_) return *error_;
    auto until = deadline;
    if (!is_up_) {
      lock.unlock();
      const auto why = link.outage();
      lock.lock();
      if (why) return *why;
      until = std::min(until, Steady::now() + kLook);
    }
    const bool starving =
        held_ < prefetch_ && early_.empty() && !renewing_ &&
        std::ranges::any_of(consumers_, [this](const auto& each) { return starves(each); });
    if (is_up_ && starving) {
      renewing_ = true;
      lock.unlock();
      link.renew();
      lock.lock();
      continue;
    }
    if (!early_.empty()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(early_.begin()->first - now);
      until = std::min(until, Steady::now() + std::min(left, std::chrono::milliseconds{1000}));
    }
    if (Steady::now() >= deadline) return std::vector<Delivery>{};
    const auto before = waiting_.size() + early_.size();
    const auto held = held_;
    const auto prefetch = prefetch_;
    const auto up = is_up_;
    const auto renewing = renewing_;
    changed_.wait_until(lock, stop, until, [&] {
      return waiting_.size() + early_.size() != before || held_ != held || prefetch_ != prefetch ||
             is_up_ != up || renewing_ != renewing || error_.has_value();
    });
  }
}

void Receiver::settle_one(std::uint64_t amqp_tag, Settle how) {
  auto& tag = tag_at(amqp_tag);
  tag.stand = how == Settle::Ack ? Stand::Acking : Stand::Settled;
  --consumers_[tag.consumer].pushed;
  (how == Settle::Ack ? acks_ : how == Settle::Requeue ? requeues_ : rejects_).push_back(amqp_tag);
}

std::vector<DeliveryTag> Receiver::settle(std::span<const DeliveryTag> tags, Settle how,
                                          bool& must_flush) {
  std::vector<DeliveryTag> lost;
  const std::lock_guard lock{mutex_};
  const bool had = flush_due_;
  for (const auto tag : tags) {
    const auto amqp = tag & kTagMask;
    if (tag >> kTagBits != generation_ || amqp < first_ || amqp - first_ >= stands_.size() ||
        tag_at(amqp).stand != Stand::Held) {
      lost.push_back(tag);
      continue;
    }
    settle_one(amqp, how);
    --held_;
    flush_due_ = true;
  }
  must_flush = flush_due_ && !had;
  changed_.notify_all();
  return lost;
}

// What is rejected goes first: an acknowledgement of many would take it along.
Receiver::Frames Receiver::frames(Late late) {
  const std::lock_guard lock{mutex_};
  flush_due_ = false;
  Frames out;
  out.requeue.swap(requeues_);
  out.reject.swap(rejects_);
  std::size_t run = 0;
  while (!stands_.empty() &&
         (stands_.front().stand == Stand::Acking || stands_.front().stand == Stand::Settled)) {
    if (stands_.front().stand == Stand::Acking) {
      out.ack_up_to = first_;
      ++run;
    }
    stands_.pop_front();
    ++first_;
  }
  out.ack_many = run > 1;
  std::erase_if(acks_, [this](std::uint64_t tag) { return tag < first_; });
  const auto now = Steady::now();
  if (!acks_.empty() && late == Late::Waits && acks_.size() <= prefetch_ / kLateShare) {
    if (!late_until_) late_until_ = now + kLate;
    if (now < *late_until_) return out;
  }
  for (const auto tag : acks_) tag_at(tag).stand = Stand::Settled;
  out.ack.swap(acks_);
  late_until_.reset();
  return out;
}

std::optional<Steady::time_point> Receiver::due(Session& session) {
  if (late_until_ && Steady::now() >= *late_until_) flush(session);
  if (missing_.empty()) return late_until_;
  const auto next = look_for_missing(session);
  if (!next || !late_until_) return next ? next : late_until_;
  return std::min(*next, *late_until_);
}

void Receiver::flush(Session& session) { flush(session, Late::Waits); }

void Receiver::flush(Session& session, Late late) {
  if (!channel_) return;
  const auto out = frames(late);
  const auto count = out.requeue.size() + out.reject.size() + out.ack.size();
  const bool many = count + (out.ack_up_to > 0 ? 1U : 0U) > 1;
  if (many) session.cork(true);
  bool fine = true;
  for (const auto tag : out.requeue) {
    amqp_basic_nack_t nack{tag, 0, 1};
    fine = fine && session.send(*channel_, AMQP_BASIC_NACK_METHOD, &nack);
  }
  for (const auto tag : out.reject) {
    amqp_basic_reject_t reject{tag, 0};
    fine = fine && session.send(*channel_, AMQP_BASIC_REJECT_METHOD, &reject);
  }
  if (out.ack_up_to > 0) {
    amqp_basic_ack_t ack{out.ack_up_to, out.ack_many ? 1 : 0};
    fine = fine && session.send(*channel_, AMQP_BASIC_ACK_METHOD, &ack);
  }
  for (const auto tag : out.ack) {
    amqp_basic_ack_t ack{tag, 0};
    fine = fine && session.send(*channel_, AMQP_BASIC_ACK_METHOD, &ack);
  }
  if (many && fine) session.cork(false);
}

Result<void> Receiver::allow(Session& session) {
  std::size_t prefetch = 0;
  {
    const std::lock_guard lock{mutex_};
    prefetch = std::min(prefetch_, kMostPrefetch);
  }
  const amqp_basic_qos_t method{0, static_cast<std::uint16_t>(prefetch), 0};
  const auto done = session.ask<amqp_basic_qos_ok_t>(
      *channel_, AMQP_BASIC_QOS_METHOD, method, AMQP_BASIC_QOS_OK_METHOD, "setting the prefetch");
  if (!done) return done.error();
  limit_ = prefetch;
  return {};
}

Result<void> Receiver::consume(Session& session, const std::string& queue) {
  const auto tag = fmt::format("{}-{}", name_, ++consumers_made_);
  {
    const std::lock_guard lock{mutex_};
    // The first message may come before the answer.
    consumer_of_[tag] = place_for({QueueName{queue}, limit_, 0, true});
  }
  const amqp_basic_consume_t method{0, bytes_of(queue), bytes_of(tag), 0, 0, 0,
                                    0, amqp_empty_table};
  const auto done = session.ask<amqp_basic_consume_ok_t>(
      *channel_, AMQP_BASIC_CONSUME_METHOD, method, AMQP_BASIC_CONSUME_OK_METHOD,
      fmt::format("consuming queue `{}`", queue));
  if (!done) return done.error();
  tags_of_queues_[queue] = tag;
  return {};
}

// That of one that is cancelled and of which nothing is held any more, if there is one: a prefetch
// that changes with every delayed task would make ever more of them.
std::uint32_t Receiver::place_for(Pushing consumer) {
  const auto free = std::ranges::find_if(
      consumers_, [](const auto& each) { return !each.current && each.pushed == 0; });
  const auto place = static_cast<std::uint32_t>(free - consumers_.begin());
  if (free == consumers_.end()) {
    consumers_.push_back(std::move(consumer));
  } else {
    std::erase_if(consumer_of_, [place](const auto& each) { return each.second == place; });
    *free = std::move(consumer);
  }
  return place;
}

Result<void> Receiver::cancel(Session& session, const std::string& queue) {
  const auto found = tags_of_queues_.find(queue);
  if (found == tags_of_queues_.end()) return {};
  const amqp_basic_cancel_t method{bytes_of(found->second), 0};
  const auto done = session.ask<amqp_basic_cancel_ok_t>(
      *channel_, AMQP_BASIC_CANCEL_METHOD, method, AMQP_BASIC_CANCEL_OK_METHOD,
      fmt::format("consuming queue `{}` no longer", queue));
  if (!done) return done.error();
  {
    const std::lock_guard lock{mutex_};
    consumers_[consumer_of_[found->second]].current = false;
  }
  tags_of_queues_.erase(found);
  return {};
}

// What is not handed out; flush() is due.
void Receiver::give_back(const std::string& queue) {
  const auto its = [this, &queue](const Delivery& delivery) {
    if (delivery.queue.str() != queue) return false;
    settle_one(delivery.tag & kTagMask, Settle::Requeue);
    return true;
  };
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    std::erase_if(it->second, its);
    it = it->second.empty() ? waiting_.erase(it) : std::next(it);
  }
  std::erase_if(early_, [&its](const auto& each) { return its(each.second); });
}

Result<void> Receiver::declare(Session& session, const std::string& queue) const {
  const auto bound = bindings_.find(queue);
  if (bound == bindings_.end()) return topology_.queue(session, queue);
  return topology_.queue_from(session, queue, bound->second);
}

Result<void> Receiver::add_queue(Session& session, const std::string& queue,
                                 std::optional<QueueBinding> binding) {
  if (!channel_) return unavailable("consuming: the channel is being opened");
  if (tags_of_queues_.contains(queue)) return {};
  auto made =
      binding ? topology_.queue_from(session, queue, *binding) : topology_.queue(session, queue);
  if (!made) return made;
  if (binding) bindings_.insert_or_assign(queue, std::move(*binding));
  if (auto done = consume(session, queue); !done) return done;
  missing_.erase(queue);
  const std::lock_guard lock{mutex_};
  if (std::ranges::find(queues_, queue) == queues_.end()) queues_.push_back(queue);
  return {};
}

Result<void> Receiver::cancel_queue(Session& session, const std::string& queue) {
  if (!channel_) return unavailable("consuming: the channel is being opened");
  if (auto done = cancel(session, queue); !done) return done;
  bindings_.erase(queue);
  missing_.erase(queue);
  // What has not been handed out goes back: nobody here is to have it any more.
  const std::lock_guard lock{mutex_};
  std::erase(queues_, queue);
  give_back(queue);
  return {};
}

void Receiver::renew(Session& session) {
  std::vector<std::string> hungry, stuffed;
  {
    const std::lock_guard lock{mutex_};
    for (const auto& each : consumers_) {
      if (starves(each)) hungry.push_back(each.queue.str());
      if (overfed(each)) stuffed.push_back(each.queue.str());
    }
  }
  Result<void> done;
  if (channel_ && !(hungry.empty() && stuffed.empty())) done = allow(session);
  for (const auto* group : {&hungry, &stuffed}) {
    for (const auto& queue : *group) {
      if (done && channel_) done = cancel(session, queue);
      if (group == &stuffed) {
        {
          const std::lock_guard lock{mutex_};
          give_back(queue);
        }
        flush(session);  // before the new consumer is given what stands behind it
      }
      if (done && channel_) done = consume(session, queue);
    }
  }
  const std::lock_guard lock{mutex_};
  renewing_ = false;
  changed_.notify_all();
}

Result<void> Receiver::up(Session& session, amqp_channel_t channel) {
  channel_ = channel;
  std::vector<std::string> queues;
  {
    const std::lock_guard lock{mutex_};
    forget_all();
    queues = queues_;
  }
  missing_.clear();
  for (const auto& queue : queues) {
    auto made = declare(session, queue);
    if (made) continue;
    // One that is not to be had now, as those of a server of the cluster that is down, does not
    // keep the others; but who asks for it first is told.
    if (!was_up_ || session.failure() || missing_.size() + 1 == queues.size()) return made;
    missing_[queue] = Steady::now() + kLookForQueue;
  }
  if (auto allowed = allow(session); !allowed) return allowed;
  for (const auto& queue : queues) {
    if (missing_.contains(queue)) continue;
    if (auto done = consume(session, queue); !done) return done;
  }
  was_up_ = true;
  const std::lock_guard lock{mutex_};
  is_up_ = true;
  error_.reset();
  changed_.notify_all();
  return {};
}

// Every tag becomes one of the past.
void Receiver::forget_all() {
  ++generation_;
  waiting_.clear();
  early_.clear();
  stands_.clear();
  first_ = 1;
  acks_.clear();
  requeues_.clear();
  rejects_.clear();
  consumers_.clear();
  consumer_of_.clear();
  renewing_ = false;
  held_ = 0;
  flush_due_ = false;
}

void Receiver::down(const Error& error) {
  channel_.reset();
  late_until_.reset();
  missing_.clear();
  tags_of_queues_.clear();
  const std::lock_guard lock{mutex_};
  forget_all();
  if (!std::exchange(is_up_, false)) error_ = error;
  changed_.notify_all();
}

// The queue was deleted, or moves: it is declared and consumed again.
void Receiver::again(Session& session, const std::string& queue) {
  if (!channel_ || tags_of_queues_.contains(queue)) return;
  {
    const std::lock_guard lock{mutex_};
    if (std::ranges::find(queues_, queue) == queues_.end()) return;
  }
  auto done = declare(session, queue);
  if (done) done = consume(session, queue);
  // The others, and what is held, are not touched by it.
  if (!done && channel_) missing_[queue] = Steady::now() + kLookForQueue;
}

std::optional<Steady::time_point> Receiver::look_for_missing(Session& session) {
  const auto now = Steady::now();
  std::vector<std::string> wanted;
  for (const auto& [queue, at] : missing_) {
    if (at <= now) wanted.push_back(queue);
  }
  for (const auto& queue : wanted) {
    missing_.erase(queue);
    again(session, queue);
  }
  std::optional<Steady::time_point> next;
  for (const auto& [queue, at] : missing_) next = std::min(next.value_or(at), at);
  return next;
}

void Receiver::method(Session& session, amqp_channel_t, const amqp_method_t& method) {
  if (method.id != AMQP_BASIC_CANCEL_METHOD) return;
  const auto tag = view(static_cast<const amqp_basic_cancel_t*>(method.decoded)->consumer_tag);
  for (const auto& [queue, its] : tags_of_queues_) {
    if (its != tag) continue;
    session.declared().erase(declared_name(queue));
    {
      const std::lock_guard lock{mutex_};
      consumers_[consumer_of_[its]].current = false;
    }
    session.later(
        [me = shared_from_this(), name = queue](Session& then) { me->again(then, name); });
    tags_of_queues_.erase(queue);
    return;
  }
}

void Receiver::content(Session&, Content&& content) {
  Delivery delivery;
  auto& in = content.incoming;
  const auto now = clock_.wall();
  delivery.redelivered = content.redelivered;
  delivery.published = in.marks.published.value_or(in.timestamp.value_or(now));
  delivery.message = std::move(in.message);
  const std::lock_guard lock{mutex_};
  const auto found = consumer_of_.find(content.consumer_tag);
  if (found == consumer_of_.end()) return;
  auto& consumer = consumers_[found->second];
  ++consumer.pushed;
  delivery.queue = consumer.queue;
  delivery.tag = tag_of(content.delivery_tag);
  while (first_ + stands_.size() <= content.delivery_tag) stands_.emplace_back();
  tag_at(content.delivery_tag).consumer = found->second;
  if (in.marks.not_before && *in.marks.not_before > now) {
    early_.emplace(*in.marks.not_before, std::move(delivery));
  } else {
    waiting_[delivery.message.priority].push_back(std::move(delivery));
  }
}

void Receiver::closing(Session& session, amqp_channel_t) { flush(session, Late::Sent); }

}  // namespace umbel::broker_rabbitmq
