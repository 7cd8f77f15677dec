#include "peers.hpp"

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/celery/control.hpp"

namespace umbel {

Result<void> ask_peers(
    Broker& broker, const PeerQuestion& question, const std::stop_token& stop,
    const std::function<void(const std::string& node, const boost::json::object& answer)>& heard) {
  const auto end = Steady::now() + question.patience;
  auto box = broker.reply_box();
  if (!box) return box.error();
  const auto address = (*box)->address();
  celery::ControlRequest request;
  request.method = question.method;
  request.arguments = question.arguments;
  request.ticket = new_task_id().str();
  request.reply_to = celery::ControlReplyTo{address.exchange, address.routing_key};
  if (auto sent = broker.broadcast(celery::encode_control_request(request)); !sent) return sent;
  while (!stop.stop_requested()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Steady::now());
    if (left.count() <= 0) break;
    const auto replies = (*box)->next(100, left, stop);
    if (!replies) return replies.error();
    for (const auto& message : *replies) {
      const auto reply = celery::decode_control_reply(message);
      if (!reply || reply->ticket != request.ticket || reply->node == question.node) continue;
      const auto* const answer = reply->value.if_object();
      if (answer != nullptr && !answer->contains("error")) heard(reply->node, *answer);
    }
  }
  return {};
}

}  // namespace umbel
