// Vite takes styles out of modules.
declare module "*.css";
