#include "mingle.hpp"

#include <utility>

#include "revoked_exchange.hpp"
#include "umbel/celery/control.hpp"

namespace umbel {

namespace json = boost::json;

Mingle::Mingle(Broker& broker, std::string node, RevokedSet& revoked, LamportClock& clock, Log log)
    : broker_{broker},
      node_{std::move(node)},
      revoked_{revoked},
      clock_{clock},
      log_{std::move(log)},
      thread_{[this](const std::stop_token& stop) { run(stop); }} {}

void Mingle::wait(const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  done_changed_.wait(lock, stop, [this] { return done_; });
}

void Mingle::run(const std::stop_token& stop) {
  const auto heard = ask(stop);
  if (!heard) {
    log_.warn("other workers were not asked for what is revoked", {{"reason", heard.error().what}});
  } else if (*heard > 0) {
    log_.info("synchronised with other workers", {{"workers", *heard}});
  }
  const std::lock_guard lock{mutex_};
  done_ = true;
  done_changed_.notify_all();
}

Result<std::size_t> Mingle::ask(const std::stop_token& stop) {
  const auto end = Steady::now() + kPatience;
  auto box = broker_.reply_box();
  if (!box) return box.error();
  const auto address = (*box)->address();
  celery::ControlRequest request;
  request.method = "hello";
  request.arguments = {{"from_node", node_}, {"revoked", revoked_document(revoked_)}};
  request.ticket = new_task_id().str();
  request.reply_to = celery::ControlReplyTo{address.exchange, address.routing_key};
  request.clock = clock_.forward();
  if (const auto sent = broker_.broadcast(celery::encode_control_request(request)); !sent) {
    return sent.error();
  }
  std::size_t heard = 0;
  while (!stop.stop_requested()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Steady::now());
    if (left.count() <= 0) break;
    const auto replies = (*box)->next(100, left, stop);
    if (!replies) return replies.error();
    for (const auto& message : *replies) {
      if (take_in(message, request.ticket)) ++heard;
    }
  }
  return Result<std::size_t>{heard};
}

bool Mingle::take_in(const Message& message, const std::string& ticket) {
  const auto reply = celery::decode_control_reply(message);
  if (!reply || reply->ticket != ticket || reply->node == node_) return false;
  const auto* const told = reply->value.if_object();
  if (told == nullptr || told->contains("error")) return false;
  if (const auto* const clock = told->if_contains("clock"); clock && clock->is_int64()) {
    (void)clock_.adjust(clock->get_int64());
  } else {
    (void)clock_.forward();
  }
  if (const auto* const revoked = told->if_contains("revoked")) {
    if (const auto merged = merge_revoked(revoked_, *revoked); !merged) {
      log_.warn("what a worker calls revoked cannot be read",
                {{"worker", reply->node}, {"reason", merged.error().what}});
    }
  }
  return true;
}

}  // namespace umbel
