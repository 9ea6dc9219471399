"""From a loss with a stop-gradient to the flow it generates: expressions, rules, the parser, printing."""
