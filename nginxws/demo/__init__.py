"""An embedded balancer, a chat application and its page: nginxws shown at work on one machine."""
