#include "control_server.hpp"

#include <exception>
#include <utility>

#include "addressed.hpp"
#include "pause.hpp"
#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/metrics/catalogue.hpp"

namespace umbel {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostAtOnce = 100;
constexpr std::chrono::milliseconds kLongestWait{500};
// Monitors switch events on every few seconds.
bool nothing_changed(const json::value& value) {
  const auto* const answer = value.if_object();
  const auto* const ok = answer == nullptr ? nullptr : answer->if_contains("ok");
  return ok != nullptr && ok->is_string() &&
         std::string_view{ok->get_string()}.starts_with("task events already");
}

constexpr std::size_t kShown = 500;  // bytes of what was asked, in the log

}  // namespace

ControlServer::ControlServer(Parts parts, std::unique_ptr<ControlInbox> inbox, Log log)
    : parts_{std::move(parts)},
      log_{std::move(log)},
      outage_{"broker, for remote control", parts_.time, log_},
      commands_{parts_.worker},
      inbox_{std::move(inbox)} {
  for (const auto& name : commands_.names()) {
    (void)parts_.metrics.counter(metrics::kControlRequests, {name, "ok"});
  }
  thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

void ControlServer::close() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void ControlServer::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    serve(stop);
    if (parts_.idle) parts_.idle();
  }
  inbox_.reset();
}

void ControlServer::serve(const std::stop_token& stop) {
  if (!inbox_) {
    auto opened = parts_.broker.control_inbox(parts_.worker.node());
    if (!opened) {
      (void)pause_for(stop, outage_.failed(opened.error()));
      return;
    }
    outage_.over();
    inbox_ = std::move(*opened);
  }
  const auto messages = inbox_->next(kMostAtOnce, kLongestWait, stop);
  if (!messages) {
    (void)pause_for(stop, outage_.failed(messages.error()));
    return;
  }
  outage_.over();
  for (const auto& message : *messages) {
    if (stop.stop_requested()) return;
    try {
      handle(message);
    } catch (const std::exception& error) {
      count("other", "invalid");
      log_.error("remote control: a request could not be handled", {{"reason", error.what()}});
    }
  }
}

// Who asks has no part in the workers' clock, so it only counts one on.
void ControlServer::handle(const Message& message) {
  (void)parts_.clock.forward();
  const auto request = celery::decode_control_request(message);
  if (!request) {
    count("other", "invalid");
    log_.warn("remote control: no request", {{"reason", shortened(request.error().what, kShown)}});
    return;
  }
  (void)mailbox_.adjust(request->clock.value_or(0));
  const auto ours = is_for(*request, parts_.worker.node());
  if (!ours) {
    count("other", "invalid");
    log_.warn("remote control: whom a request is for cannot be told",
              {{"method", shortened(request->method, 100)}, {"reason", ours.error().what}});
    return;
  }
  if (*ours) handle(*request);
}

void ControlServer::handle(const celery::ControlRequest& request) {
  auto answer = commands_.answer(request.method, request.arguments);
  count(answer.method, answer.failed ? "error" : "ok");
  tell(request, answer);
  if (request.reply_to && answer.replies) reply(request, std::move(answer.value));
}

void ControlServer::reply(const celery::ControlRequest& request, json::value value) {
  celery::ControlReply reply;
  reply.node = parts_.worker.node();
  reply.value = std::move(value);
  reply.ticket = request.ticket;
  reply.clock = mailbox_.forward();
  const ReplyAddress to{request.reply_to->exchange, request.reply_to->routing_key};
  if (const auto sent = parts_.broker.reply(to, celery::encode_control_reply(reply)); !sent) {
    log_.warn("remote control: a reply was not sent",
              {{"method", request.method}, {"reason", sent.error().what}});
  }
}

void ControlServer::count(const std::string& method, const char* result) {
  parts_.metrics.counter(metrics::kControlRequests, {method, result}).Increment();
}

// The wire does not say who asks; where the reply goes is the nearest to it.
void ControlServer::tell(const celery::ControlRequest& request, const Answer& answer) const {
  if (!answer.failed && (!answer.writes || nothing_changed(answer.value))) {
    log_.debug("remote control", {{"method", answer.method}});
    return;
  }
  log_.info("remote control",
            {{"method", shortened(request.method, 100)},
             {"arguments", shortened(celery::to_json(request.arguments), kShown)},
             {"ticket", shortened(request.ticket, 100)},
             {"reply_to", request.reply_to ? shortened(request.reply_to->routing_key, 100) : ""},
             {"answer", shortened(celery::to_json(answer.value), kShown)}});
}

}  // namespace umbel
