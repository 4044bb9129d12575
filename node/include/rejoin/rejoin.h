// The one header that an application includes.
#pragma once

#include "rejoin/crdt/agent/budget.h"
#include "rejoin/crdt/agent/forecast.h"
#include "rejoin/crdt/agent/session.h"
#include "rejoin/crdt/agent/training_run.h"
#include "rejoin/crdt/agent/windowed_counter.h"
#include "rejoin/crdt/document.h"
#include "rejoin/crdt/json.h"
#include "rejoin/crdt/transaction.h"
#include "rejoin/node/affinity.h"
#include "rejoin/node/node.h"
