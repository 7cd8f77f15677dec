// The other process of the broker's conformance tests.
//
//   conformance_broker_peer ENGINE FOLDER LEASE_MS ROLE COUNT
//
// hold     takes COUNT messages and says `holding`; at the word `ack` acknowledges them, says
//          `lost N`, then takes one more, acknowledges it and says `took BODY`
// work     takes messages, says `got BODY` for each before it acknowledges them, until it is told
//          to end
// publish  publishes COUNT messages one by one, says `sent BODY` for each that was accepted
// node     opens a control inbox and says `listening`; says `heard BODY` for each request, and
//          replies to the address that the request's headers name (see broker_under_test.hpp) with
//          `PID BODY`
//
// All end when standard input does, that is, also when the test dies.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>

#include "broker_under_test.hpp"

namespace umbel::testing {
namespace {

void say(const std::string& text) { std::cout << text << std::endl; }

int hold(Broker& broker, std::size_t count) {
  const auto consumer = consume(broker, count);
  const auto held = take_all(*consumer, count);
  if (held.size() < count) return 3;
  say("holding");
  for (std::string word; std::getline(std::cin, word);) {
    if (word != "ack") return 2;
    say("lost " + std::to_string(ack(*consumer, held).size()));
    const auto next = take_all(*consumer, 1);
    if (next.empty() || !ack(*consumer, next).empty()) return 3;
    say("took " + next.front().message.body);
  }
  return 0;
}

int work(Broker& broker, std::size_t prefetch) {
  std::stop_source ended;
  const std::jthread watch{[&ended] {
    for (std::string word; std::getline(std::cin, word);) {
    }
    ended.request_stop();
  }};
  const auto consumer = consume(broker, prefetch);
  while (!ended.stop_requested()) {
    const auto taken = consumer->next(prefetch, std::chrono::hours{1}, ended.get_token());
    if (!taken) throw std::runtime_error{taken.error().what};
    for (const auto& delivery : *taken) say("got " + delivery.message.body);
    ack(*consumer, *taken);
  }
  return 0;
}

int node(Broker& broker) {
  std::stop_source ended;
  const std::jthread watch{[&ended] {
    for (std::string word; std::getline(std::cin, word);) {
    }
    ended.request_stop();
  }};
  const auto name = std::to_string(getpid());
  const auto inbox = open_inbox(broker, "node" + name + "@here");
  say("listening");
  while (!ended.stop_requested()) {
    const auto requests = inbox->next(100, std::chrono::hours{1}, ended.get_token());
    if (!requests) throw std::runtime_error{requests.error().what};
    for (const auto& request : *requests) {
      say("heard " + request.body);
      const auto to = reply_address(request);
      if (to.routing_key.empty()) continue;
      const auto sent = broker.reply(to, a_control(name + " " + request.body));
      if (!sent) throw std::runtime_error{sent.error().what};
    }
  }
  return 0;
}

int publish_all(Broker& broker, std::size_t count) {
  const auto prefix = std::to_string(getpid()) + "-";
  for (std::size_t i = 0; i < count; ++i) {
    const auto body = prefix + std::to_string(i);
    publish(broker, {a_message(body)});
    say("sent " + body);
  }
  return 0;
}

int run(const std::vector<std::string>& words) {
  if (words.size() != 6) return 2;
  const auto engines = broker_engines();
  const auto engine = std::ranges::find(engines, words[1], &BrokerUnderTest::name);
  if (engine == engines.end()) return 2;
  const SystemClock clock;
  const auto broker = engine->make(
      {.folder = words[2], .lease = std::chrono::milliseconds{std::stol(words[3])}}, clock);
  const auto count = static_cast<std::size_t>(std::stoul(words[5]));
  if (words[4] == "hold") return hold(*broker, count);
  if (words[4] == "work") return work(*broker, count);
  if (words[4] == "node") return node(*broker);
  if (words[4] == "publish") return publish_all(*broker, count);
  return 2;
}

}  // namespace
}  // namespace umbel::testing

int main(int argc, char** argv) {
  try {
    return umbel::testing::run({argv, argv + argc});
  } catch (const std::exception& failure) {
    std::cerr << "conformance_broker_peer: " << failure.what() << std::endl;
    return 1;
  }
}
