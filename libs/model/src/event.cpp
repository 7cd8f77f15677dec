#include "umbel/model/event.hpp"

namespace umbel {

std::string_view short_name(const TaskEvent& event) {
  switch (event.type) {
    case TaskEventType::Sent:
      return "sent";
    case TaskEventType::Received:
      return "received";
    case TaskEventType::Started:
      return "started";
    case TaskEventType::Succeeded:
      return "succeeded";
    case TaskEventType::Failed:
      return "failed";
    case TaskEventType::Rejected:
      return "rejected";
    case TaskEventType::Revoked:
      return "revoked";
    case TaskEventType::Retried:
      return "retried";
    case TaskEventType::Custom:
      break;
  }
  return event.custom_type;
}

std::string_view short_name(const WorkerEvent& event) {
  switch (event.type) {
    case WorkerEventType::Online:
      return "online";
    case WorkerEventType::Heartbeat:
      return "heartbeat";
    case WorkerEventType::Offline:
      return "offline";
    case WorkerEventType::Other:
      break;
  }
  return "other";
}

}  // namespace umbel
