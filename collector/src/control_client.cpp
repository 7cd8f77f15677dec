#include "control_client.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "umbel/base/ids.hpp"
#include "umbel/base/text.hpp"
#include "umbel/celery/control.hpp"
#include "umbel/metrics/catalogue.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

constexpr std::size_t kAtOnce = 100;        // answers
constexpr milliseconds kLook{500};          // for answers, before looking whether to stop
constexpr std::size_t kLongestShown = 200;  // bytes of somebody else's error

Error stopped() { return unavailable("the collector is stopping"); }

std::string nobody(const ControlQuestion& question, milliseconds limit) {
  const auto waited = spoken(limit);
  if (question.destination.empty())
    return fmt::format("no worker answered `{}` within {}", question.method, waited);
  if (question.destination.size() == 1)
    return fmt::format("{} did not answer `{}` within {}",
                       shortened(question.destination.front(), kLongestShown), question.method,
                       waited);
  return fmt::format("none of {} workers answered `{}` within {}", question.destination.size(),
                     question.method, waited);
}

}  // namespace

ControlClient::ControlClient(Broker& broker, const Clock& clock, metrics::Metrics& metrics, Log log,
                             ControlOptions options)
    : broker_{broker},
      metrics_{metrics},
      log_{log},
      options_{options},
      outage_{"remote control", clock, log} {
  for (const char* outcome : {"answered", "silent", "not_sent"})
    (void)metrics_.counter(metrics::kControlQuestions, {outcome});
}

ControlClient::~ControlClient() { stop(); }

void ControlClient::start() {
  thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

void ControlClient::stop() {
  {
    const std::lock_guard lock{mutex_};
    stopped_ = true;
  }
  changed_.notify_all();
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void ControlClient::run(const std::stop_token& stop) {
  std::unique_ptr<ReplyBox> box;
  while (!stop.stop_requested()) {
    bool well = open_box(box);
    if (well) {
      const auto messages = box->next(kAtOnce, kLook, stop);
      well = messages.has_value();
      if (well) {
        outage_.over();
        for (const Message& message : *messages) take(message);
      } else if (!stop.stop_requested()) {
        outage_.failed(messages.error());
      }
    }
    if (well) continue;
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, stop, outage_.wait(), [] { return false; });
  }
}

bool ControlClient::open_box(std::unique_ptr<ReplyBox>& box) {
  if (box) return true;
  auto opened = broker_.reply_box();
  if (!opened) {
    outage_.failed(opened.error());
    return false;
  }
  box = std::move(*opened);
  {
    const std::lock_guard lock{mutex_};
    address_ = box->address();
  }
  changed_.notify_all();
  return true;
}

void ControlClient::take(const Message& message) {
  auto reply = celery::decode_control_reply(message);
  if (!reply) {
    log_.debug("an answer to remote control cannot be read", {{"error", reply.error().what}});
    return;
  }
  if (message.body.size() > options_.most_bytes) {
    reply->value =
        json::object{{"error", fmt::format("the answer has {} bytes; at most {} are taken",
                                           message.body.size(), options_.most_bytes)}};
  }
  const std::lock_guard lock{mutex_};
  const auto found = open_.find(reply->ticket);
  if (found == open_.end()) return;  // too late
  Open& open = found->second;
  if (open.by_node.size() >= options_.most_nodes && !open.by_node.contains(reply->node)) return;
  if (!open.everybody && !open.awaited.contains(reply->node) && !open.by_node.contains(reply->node))
    return;  // nobody asked it
  open.awaited.erase(reply->node);
  open.by_node.insert_or_assign(reply->node, std::move(reply->value));
  if (open.complete()) changed_.notify_all();
}

Result<ReplyAddress> ControlClient::address() {
  std::unique_lock lock{mutex_};
  changed_.wait_for(lock, options_.limit, [this] { return address_ || stopped_; });
  if (stopped_) return stopped();
  if (address_) return *address_;
  const auto why = outage_.current();
  return unavailable("workers cannot be asked: " +
                     (why ? shortened(why->what, kLongestShown)
                          : std::string{"the broker has not given a place for answers yet"}));
}

Message ControlClient::request_of(const ControlQuestion& question, const std::string& ticket,
                                  const std::optional<ReplyAddress>& to) {
  celery::ControlRequest request;
  request.method = question.method;
  request.arguments = question.arguments;
  request.destination = question.destination;
  request.clock = ++lamport_;
  request.ticket = ticket;
  if (to) request.reply_to = celery::ControlReplyTo{to->exchange, to->routing_key};
  return celery::encode_control_request(request);
}

Result<std::string> ControlClient::send(const ControlQuestion& question, const ReplyAddress& to) {
  const std::string ticket = random_uuid();
  {
    const std::lock_guard lock{mutex_};
    if (stopped_) return stopped();
    if (open_.size() >= options_.most_questions) {
      return unavailable(fmt::format("{} questions to workers are open; at most {} may be",
                                     open_.size(), options_.most_questions));
    }
    Open& open = open_[ticket];
    open.everybody = question.destination.empty();
    open.awaited.insert(question.destination.begin(), question.destination.end());
  }
  const auto sent = broker_.broadcast(request_of(question, ticket, to));
  if (sent) return ticket;
  const std::lock_guard lock{mutex_};
  open_.erase(ticket);
  return unavailable("the broker does not take requests to workers: " +
                     shortened(sent.error().what, kLongestShown));
}

Result<ControlAnswers> ControlClient::answers_of(const ControlQuestion& question,
                                                 const std::string& ticket) {
  ControlAnswers answers;
  {
    const std::lock_guard lock{mutex_};
    const auto found = open_.find(ticket);
    answers.by_node = std::move(found->second.by_node);
    answers.silent = {found->second.awaited.begin(), found->second.awaited.end()};
    open_.erase(found);
    if (answers.by_node.empty() && stopped_) return stopped();
  }
  count(answers.by_node.empty() ? "silent" : "answered");
  if (answers.by_node.empty()) return Error{Errc::TimedOut, nobody(question, options_.limit)};
  return answers;
}

void ControlClient::count(const char* outcome) {
  metrics_.counter(metrics::kControlQuestions, {outcome}).Increment();
}

Result<ControlAnswers> ControlClient::ask(ControlQuestion question) {
  std::vector<ControlQuestion> one;
  one.push_back(std::move(question));
  return std::move(ask_all(std::move(one)).front());
}

std::vector<Result<ControlAnswers>> ControlClient::ask_all(std::vector<ControlQuestion> questions) {
  const auto to = address();
  std::vector<Result<std::string>> tickets;
  for (const ControlQuestion& question : questions) {
    tickets.push_back(to ? send(question, *to) : Result<std::string>{to.error()});
  }
  {
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, options_.limit, [&] {
      return stopped_ || std::all_of(tickets.begin(), tickets.end(), [&](const auto& ticket) {
               return !ticket || open_.at(*ticket).complete();
             });
    });
  }
  std::vector<Result<ControlAnswers>> answers;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    if (tickets[i]) {
      answers.push_back(answers_of(questions[i], *tickets[i]));
    } else {
      count("not_sent");
      answers.emplace_back(tickets[i].error());
    }
  }
  return answers;
}

Result<void> ControlClient::tell(const ControlQuestion& question) {
  const auto sent = broker_.broadcast(request_of(question, {}, std::nullopt));
  if (!sent)
    return unavailable("the broker does not take requests to workers: " +
                       shortened(sent.error().what, kLongestShown));
  return {};
}

}  // namespace umbel::collector
